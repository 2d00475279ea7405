// @ts-check
/**
 * Shows a text in light Markdown as it grows: paragraphs, headings, lists, quotes, code, emphasis and links. It creates
 * elements and never parses markup, so nothing in the text can become a script. Blocks that are complete are left alone.
 */
import { h, setText, textElement } from "./dom.js";
import { blocksOf } from "./markdown-blocks.js";
import { linkUrl } from "./safe-url.js";

/** @import { Block } from "./markdown-blocks.js" */

/** A block that is still growing and longer than this is plain text until it is complete. */
const PLAIN_LENGTH = 2000;

export class MarkdownView {
  #container;
  #text = "";
  /** Where the last block starts. */
  #last = 0;
  #isPlain = false;

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  /**
   * @param {string} text
   * @param {boolean} isGrowing
   */
  render(text, isGrowing) {
    if (text === this.#text && (isGrowing || !this.#isPlain)) return;
    const isAppended = this.#text !== "" && text.startsWith(this.#text);
    const start = isAppended ? this.#last : 0;
    const blocks = blocksOf(text, start);
    if (!isAppended) this.#container.replaceChildren();
    else if (!this.#appendPlain(blocks, isGrowing)) this.#container.lastElementChild?.remove();
    const shown = isAppended && this.#isPlain && isGrowing && blocks.length === 1 ? 1 : 0;
    for (const [index, block] of blocks.entries()) {
      if (index < shown) continue;
      this.#isPlain = isGrowing && index === blocks.length - 1 && block.text.length > PLAIN_LENGTH;
      this.#container.append(this.#isPlain ? plain(block) : elementOf(block));
    }
    this.#last = blocks.length > 1 ? blocks[blocks.length - 2].end : start;
    this.#text = text;
  }

  /** Append to a block that is plain text, and return whether that was possible. */
  #appendPlain(/** @type {Block[]} */ blocks, /** @type {boolean} */ isGrowing) {
    if (!this.#isPlain || !isGrowing || blocks.length !== 1) return false;
    setText(/** @type {Element} */ (this.#container.lastElementChild), blocks[0].text);
    return true;
  }
}

function plain(/** @type {Block} */ { kind, text }) {
  return textElement(kind === "code" ? "pre" : "p", text);
}

/** @returns {HTMLElement} */
function elementOf(/** @type {Block} */ { kind, text, level }) {
  switch (kind) {
    case "heading":
      // Below the heading of the task.
      return h(/** @type {"h3"} */ (`h${Math.min(6, level + 2)}`), {}, ...inline(text));
    case "code":
      return h("pre", { tabindex: "0" }, h("code", {}, text.replace(/\n$/, "")));
    case "list":
      return listOf(text);
    case "quote":
      return h("blockquote", {}, ...inline(text));
    case "rule":
      return h("hr");
    default:
      return h("p", {}, ...inline(text));
  }
}

const ITEM = /^(\s*)(?:([-*+•])|(\d{1,4})[.)])\s+/;

/** Items keep their own numbers, since a list may be divided. Lines without a mark continue an item. */
function listOf(/** @type {string} */ text) {
  /** @type {{depth: number, number: string, text: string}[]} */
  const items = [];
  for (const line of text.split("\n")) {
    const [mark, indent = "", , number = ""] = ITEM.exec(line) ?? [""];
    const last = items.at(-1);
    if (mark || !last) items.push({ depth: Math.min(6, indent.length >> 1), number, text: line.slice(mark.length) });
    else last.text += `\n${line.trimStart()}`;
  }
  const isOrdered = items[0].number !== "";
  return h(
    isOrdered ? "ol" : "ul",
    {},
    ...items.map((item) => {
      const row = h("li", { ...(item.number && { value: item.number }) }, ...inline(item.text));
      if (item.depth) row.style.marginInlineStart = `${item.depth * 1.25}em`;
      if (isOrdered && !item.number) row.style.listStyleType = "disc";
      return row;
    }),
  );
}

// The lengths are bounded, so that a text of opening marks alone takes linear time.
const MARKS =
  /`([^`\n]{1,500})`|\*\*([^\n]{1,500}?)\*\*|__([^\n]{1,500}?)__|(?<![\w*])\*([^\s*][^*\n]{0,300})\*(?!\w)|(?<!\w)_([^\s_][^_\n]{0,300})_(?!\w)|\[([^[\]\n]{1,300})\]\(([^()\s]{1,1000})\)|(https?:\/\/[^\s<>"'`)\]]{1,1000}[^\s<>"'`)\].,;:!?])/g;

/**
 * @param {string} text
 * @returns {(string|Node)[]}
 */
function inline(text) {
  /** @type {(string|Node)[]} */
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(MARKS)) {
    const [whole, code, strong1, strong2, em1, em2, label, target, address] = match;
    parts.push(text.slice(at, match.index));
    at = match.index + whole.length;
    if (code) parts.push(textElement("code", code));
    else if (strong1 || strong2) parts.push(h("strong", {}, ...inline(strong1 || strong2)));
    else if (em1 || em2) parts.push(h("em", {}, ...inline(em1 || em2)));
    else parts.push(link(target ?? address, label ?? address) ?? whole);
  }
  parts.push(text.slice(at));
  return parts.filter((part) => part !== "");
}

/**
 * @param {string} target
 * @param {string} label
 * @returns {HTMLElement|null} null for an address that is not allowed
 */
function link(target, label) {
  const href = linkUrl(target);
  return href === null ? null : h("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
}
