// @ts-check
/** Shows a streamed answer: what the model thinks folds away, what it answers stands open. */
import { h, setText, textElement } from "./dom.js";

/** @type {Record<string, string>} */
const KIND_WORDS = { thinking: "Thinking", answer: "Answer" };

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
        const made = segmentBlock(kind, running);
        if (block) block.replaceWith(made);
        else this.#place.append(made);
        block = made;
      }
      setText(/** @type {HTMLElement} */ (block.lastElementChild), text);
    });
  }
}

/**
 * @param {string} kind
 * @param {boolean} running
 */
function segmentBlock(kind, running) {
  const open = kind !== "thinking" || running;
  return h(
    "details",
    { "data-kind": kind, open },
    textElement("summary", KIND_WORDS[kind] ?? kind),
    textElement("div", "", "text"),
  );
}
