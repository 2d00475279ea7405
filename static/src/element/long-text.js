// @ts-check
/**
 * Shows a text that grows to hundreds of kilobytes. It is divided at line ends into blocks: when text is appended, the
 * browser lays out the last block only.
 */
import { h, setText } from "./dom.js";

/** A block ends at the first line end after this many UTF-16 units. */
const BLOCK_LENGTH = 4000;

/**
 * Set the text of an element that nothing else changes. Its style must preserve line ends.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setLongText(element, text) {
  const blocks = divide(text);
  blocks.forEach((block, index) => {
    const shown = element.children[index];
    if (shown) setText(shown, block);
    else element.append(h("div", {}, block));
  });
  while (element.children.length > blocks.length) element.lastElementChild?.remove();
}

/**
 * Divide a text at line ends, which the blocks omit. Appending to the text changes only the last block and adds others.
 *
 * @param {string} text
 * @returns {string[]} at least one
 */
export function divide(text) {
  const lineEnd = /[^\n]\n/g; // an empty line at the end of a block would not be shown
  const blocks = [];
  let start = 0;
  for (;;) {
    lineEnd.lastIndex = start + BLOCK_LENGTH;
    const found = lineEnd.exec(text);
    if (!found) return [...blocks, text.slice(start)];
    blocks.push(text.slice(start, found.index + 1));
    start = found.index + 2;
  }
}
