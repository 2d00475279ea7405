// @ts-check
/** Shows an answer in parts: answers are open, thoughts are collapsed, calls show the function and its arguments. */
import { h, setText, textElement } from "./dom.js";
import { setLongText } from "./long-text.js";
import { withoutWrapper } from "./output-text.js";
import { say } from "./words.js";

/** @import { AnswerPart } from "./output-text.js" */

export class SegmentsView {
  #container;
  /** @type {readonly AnswerPart[]} */
  #shown = [];

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  /**
   * @param {readonly AnswerPart[]} parts
   * @param {boolean} running
   */
  render(parts, running) {
    this.#container.hidden = parts.length === 0;
    this.#container.toggleAttribute("data-running", running);
    if (parts === this.#shown) return;
    this.#shown = parts;
    const { children } = this.#container;
    while (children.length > parts.length) this.#container.lastElementChild?.remove();
    parts.forEach((part, index) => {
      const title = titleOf(part);
      let block = /** @type {HTMLElement|undefined} */ (children[index]);
      if (block?.dataset.kind !== part.kind) {
        const created = partBlock(part.kind, title);
        if (block) block.replaceWith(created);
        else this.#container.append(created);
        block = created;
      }
      if (title) setText(/** @type {HTMLElement} */ (block.firstElementChild), title);
      setLongText(/** @type {HTMLElement} */ (block.lastElementChild), withoutWrapper(part.text));
    });
  }
}

/** Return the title of a part; empty if it needs none. */
function titleOf(/** @type {AnswerPart} */ { kind, name }) {
  switch (kind) {
    case "answer":
    case "raw":
      return "";
    case "thinking":
      return say("answer.thinking");
    case "function_call":
      return name ? say("answer.function_name", { name }) : say("answer.function");
    case "custom_tool_call":
      return name ? say("answer.tool_name", { name }) : say("answer.tool");
    default:
      return kind;
  }
}

/**
 * @param {string} kind
 * @param {string} title
 */
function partBlock(kind, title) {
  const text = textElement("div", "", "text");
  if (!title) return h("div", { "data-kind": kind }, text);
  const isCall = kind.endsWith("_call");
  return h("details", { "data-kind": kind, open: isCall, "data-call": isCall }, textElement("summary", title), text);
}
