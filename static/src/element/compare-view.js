// @ts-check
/**
 * Compares a result with the input image: one on top of the other, split at a line that a slider moves. A button below
 * the result opens and closes the comparison.
 */
import { h, textElement } from "./dom.js";
import { MediaLoader } from "./media-loader.js";
import { say } from "./words.js";

export class CompareView {
  #inputUrl;
  #result;
  #toggle = h("button", { type: "button", class: "quiet", "aria-pressed": "false" }, say("compare.compare"));
  /** @type {{element: HTMLElement, loaders: MediaLoader[]}|null} */
  #comparison = null;

  /**
   * @param {string} inputUrl the address of the input image
   * @param {MediaLoader} result
   * @param {HTMLElement} tools takes the button
   */
  constructor(inputUrl, result, tools) {
    this.#inputUrl = inputUrl;
    this.#result = result;
    this.#toggle.addEventListener("click", () => (this.#comparison ? this.#close() : this.#open()));
    tools.append(this.#toggle);
  }

  /** Show the result alone and remove the button. */
  remove() {
    this.#close();
    this.#toggle.remove();
  }

  /** Continue loading after the view was out of the document. */
  resume() {
    for (const loader of this.#comparison?.loaders ?? []) loader.resume();
  }

  stop() {
    for (const loader of this.#comparison?.loaders ?? []) loader.stop();
  }

  #open() {
    const loaders = [
      new MediaLoader({ url: this.#result.src, create: () => h("img", { alt: say("compare.the_result") }) }),
      new MediaLoader({
        url: this.#inputUrl,
        create: () => h("img", { alt: say("compare.the_input"), class: "before" }),
      }),
    ];
    const frame = h("div", { class: "compare" }, ...loaders.map(({ element }) => element));
    const slider = h("input", { type: "range", min: "0", max: "100", value: "50" });
    slider.addEventListener("input", () => frame.style.setProperty("--relay-split", `${slider.value}%`));
    const label = h(
      "label",
      {},
      textElement("span", say("compare.input")),
      slider,
      textElement("span", say("compare.result")),
    );
    this.#comparison = { element: h("div", {}, frame, label), loaders };
    this.#result.element.replaceWith(this.#comparison.element);
    this.#toggle.setAttribute("aria-pressed", "true");
  }

  #close() {
    this.stop();
    this.#comparison?.element.replaceWith(this.#result.element);
    this.#comparison = null;
    this.#toggle.setAttribute("aria-pressed", "false");
  }
}
