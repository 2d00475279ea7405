// @ts-check
/**
 * Shows an answer in its parts: what the model answers stands open, what it thinks is folded, and a call of a function
 * or tool says which one with which arguments.
 */
import { h, setText, textElement } from "./dom.js";
import { withoutWrapper } from "./output-text.js";

/** @typedef {import("./output-text.js").AnswerPart} AnswerPart */

export class SegmentsView {
  #place;
  /** @type {readonly AnswerPart[]} */
  #shown = [];

  constructor(/** @type {HTMLElement} */ place) {
    this.#place = place;
  }

  /**
   * @param {readonly AnswerPart[]} parts
   * @param {boolean} running
   */
  render(parts, running) {
    this.#place.hidden = parts.length === 0;
    this.#place.toggleAttribute("data-running", running);
    if (parts === this.#shown) return;
    this.#shown = parts;
    const { children } = this.#place;
    while (children.length > parts.length) this.#place.lastElementChild?.remove();
    parts.forEach((part, index) => {
      const title = titleOf(part);
      let block = /** @type {HTMLElement|undefined} */ (children[index]);
      if (block?.dataset.kind !== part.kind) {
        const made = partBlock(part.kind, title);
        if (block) block.replaceWith(made);
        else this.#place.append(made);
        block = made;
      }
      if (title) setText(/** @type {HTMLElement} */ (block.firstElementChild), title);
      setText(/** @type {HTMLElement} */ (block.lastElementChild), withoutWrapper(part.text));
    });
  }
}

/** The title of a part; empty for one that needs none. */
function titleOf(/** @type {AnswerPart} */ { kind, name }) {
  switch (kind) {
    case "answer":
    case "raw":
      return "";
    case "thinking":
      return "Thinking";
    case "function_call":
      return name ? `Function call: ${name}` : "Function call";
    case "custom_tool_call":
      return name ? `Tool call: ${name}` : "Tool call";
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
