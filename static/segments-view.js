// @ts-check
/** Shows a streamed answer: what the model thinks stays folded until somebody asks for it, what it answers stands open. */
import { h, setText, textElement } from "./dom.js";

export class SegmentsView {
  #place;
  /** @type {readonly import("./types.js").Segment[]} */
  #shown = [];

  constructor(/** @type {HTMLElement} */ place) {
    this.#place = place;
  }

  /**
   * @param {readonly import("./types.js").Segment[]} segments
   * @param {boolean} running
   */
  render(segments, running) {
    this.#place.hidden = segments.length === 0;
    this.#place.toggleAttribute("data-running", running);
    if (segments === this.#shown) return;
    this.#shown = segments;
    const { children } = this.#place;
    while (children.length > segments.length) this.#place.lastElementChild?.remove();
    segments.forEach(({ kind, text }, index) => {
      let block = /** @type {HTMLElement|undefined} */ (children[index]);
      if (block?.dataset.kind !== kind) {
        const made = segmentBlock(kind);
        if (block) block.replaceWith(made);
        else this.#place.append(made);
        block = made;
      }
      setText(/** @type {HTMLElement} */ (block.lastElementChild), text);
    });
  }
}

function segmentBlock(/** @type {string} */ kind) {
  const text = textElement("div", "", "text");
  if (kind === "answer" || kind === "raw") return h("div", { "data-kind": kind }, text);
  const title = kind === "thinking" ? "Thinking" : kind;
  return h("details", { "data-kind": kind }, textElement("summary", title), text);
}
