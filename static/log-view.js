// @ts-check
/** Shows the log of a task: a block for each entry, the newest in sight until the reader scrolls up. */
import { setText, textElement } from "./dom.js";
import { foldTerminalText } from "./terminal-text.js";

/** So near to its end, in CSS pixels, the pane counts as being at its end: zoomed pages scroll in fractions. */
const NEAR_PX = 8;

export class LogView {
  #pane;
  #newest;
  #following = true;
  /** @type {readonly import("./types.js").Log[]} */
  #shown = [];

  /**
   * @param {HTMLElement} pane
   * @param {HTMLElement} newest the button that goes back to the newest lines
   */
  constructor(pane, newest) {
    this.#pane = pane;
    this.#newest = newest;
    pane.addEventListener("scroll", () =>
      this.#follow(pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR_PX),
    );
    // Lines that came while the pane had no height could not be scrolled to.
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(pane);
    newest.addEventListener("click", () => {
      this.#follow(true);
      this.#toEnd();
    });
  }

  render(/** @type {readonly import("./types.js").Log[]} */ log) {
    if (log === this.#shown) return;
    this.#shown = log;
    const { children } = this.#pane;
    while (children.length > log.length) this.#pane.lastElementChild?.remove();
    while (children.length < log.length) this.#pane.append(textElement("pre", ""));
    log.forEach(({ stream, text }, index) => {
      const block = /** @type {HTMLElement} */ (children[index]);
      block.dataset.stream = stream;
      // Each entry is a block of its own, which ends its line already.
      setText(block, foldTerminalText(text).replace(/\n$/, ""));
    });
    if (this.#following) this.#toEnd();
  }

  #follow(/** @type {boolean} */ following) {
    this.#following = following;
    this.#newest.hidden = following;
  }

  #toEnd() {
    this.#pane.scrollTop = this.#pane.scrollHeight;
  }
}
