// @ts-check
/**
 * Compares a result with the picture that the task began with: both in one place, the first cut off at a line that a
 * slider moves. A button in the caption of the result switches to it and back.
 */
import { h, textElement } from "./dom.js";
import { MediaLoader } from "./media-loader.js";

export class CompareView {
  #before;
  #result;
  #toggle = h("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "Compare with the input");
  /** @type {{element: HTMLElement, loaders: MediaLoader[]}|null} */
  #shown = null;

  /**
   * @param {string} before the address of the first picture
   * @param {MediaLoader} result
   * @param {HTMLElement} caption where the button goes
   */
  constructor(before, result, caption) {
    this.#before = before;
    this.#result = result;
    this.#toggle.addEventListener("click", () => (this.#shown ? this.#close() : this.#open()));
    caption.append(this.#toggle);
  }

  /** Show the result alone, and offer no comparison any more. */
  leave() {
    this.#close();
    this.#toggle.remove();
  }

  wake() {
    for (const loader of this.#shown?.loaders ?? []) loader.wake();
  }

  stop() {
    for (const loader of this.#shown?.loaders ?? []) loader.stop();
  }

  #open() {
    const loaders = [
      new MediaLoader({ url: this.#result.src, make: () => h("img", { alt: "The result" }) }),
      new MediaLoader({ url: this.#before, make: () => h("img", { alt: "The input", class: "before" }) }),
    ];
    const frame = h("div", { class: "compare" }, ...loaders.map(({ element }) => element));
    const slider = h("input", { type: "range", min: "0", max: "100", value: "50" });
    slider.addEventListener("input", () => frame.style.setProperty("--relay-split", `${slider.value}%`));
    const label = h("label", {}, textElement("span", "Input"), slider, textElement("span", "Result"));
    this.#shown = { element: h("div", {}, frame, label), loaders };
    this.#result.element.replaceWith(this.#shown.element);
    this.#toggle.setAttribute("aria-pressed", "true");
  }

  #close() {
    this.stop();
    this.#shown?.element.replaceWith(this.#result.element);
    this.#shown = null;
    this.#toggle.setAttribute("aria-pressed", "false");
  }
}
