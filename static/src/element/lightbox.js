// @ts-check
/** Shows images one at a time over the whole window. Arrows, Home and End change the image; Escape closes it. */
import { h, setText } from "./dom.js";
import { MediaLoader } from "./media-loader.js";
import { say } from "./words.js";

/** @typedef {{readonly src: string, name: string}} LightboxImage */

export class Lightbox {
  #parent;
  /** @type {LightboxImage[]} */
  #images = [];
  #index = 0;
  /** @type {HTMLDialogElement|null} */
  #dialog = null;
  #stage = h("div", { class: "stage" });
  /** @type {MediaLoader|null} */
  #loader = null;
  #title = h("span", { "aria-live": "polite" });

  /** @param {HTMLElement} parent takes the dialog */
  constructor(parent) {
    this.#parent = parent;
  }

  /**
   * @param {LightboxImage[]} images
   * @param {number} index the image to show first
   */
  open(images, index) {
    this.#dialog ??= this.#build();
    this.#images = images;
    this.#show(index);
    this.#dialog.showModal();
  }

  /** Continue loading after the lightbox was out of the document. */
  resume() {
    this.#loader?.resume();
  }

  #show(/** @type {number} */ index) {
    const { length } = this.#images;
    this.#index = (index + length) % length;
    const { src, name } = this.#images[this.#index];
    this.#loader?.stop();
    this.#loader = new MediaLoader({ url: src, create: () => h("img", { alt: name }) });
    this.#stage.replaceChildren(this.#loader.element);
    setText(
      this.#title,
      length > 1 ? say("lightbox.position", { name, number: this.#index + 1, total: length }) : name,
    );
    for (const button of this.#dialog?.querySelectorAll("[data-step]") ?? []) {
      button.toggleAttribute("hidden", length < 2);
    }
  }

  #build() {
    const stepButton = (/** @type {number} */ by, /** @type {string} */ text, /** @type {string} */ label) => {
      const button = h("button", { type: "button", "data-step": String(by), "aria-label": label }, text);
      button.addEventListener("click", () => this.#show(this.#index + by));
      return button;
    };
    const close = h("button", { type: "button" }, say("lightbox.close"));
    const previous = stepButton(-1, say("lightbox.previous"), say("lightbox.previous_label"));
    const next = stepButton(1, say("lightbox.next"), say("lightbox.next_label"));
    const dialog = h(
      "dialog",
      { part: "lightbox", "aria-label": say("lightbox") },
      h("div", { class: "tools" }, this.#title, close),
      this.#stage,
      h("div", { class: "tools" }, previous, next),
    );
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", ({ target }) => {
      if (target === this.#stage || target === this.#loader?.element) dialog.close();
    });
    dialog.addEventListener("close", () => {
      this.#loader?.stop();
      this.#loader = null;
      this.#stage.replaceChildren();
    });
    dialog.addEventListener("keydown", (event) => this.#onKey(event));
    this.#parent.append(dialog);
    return dialog;
  }

  #onKey(/** @type {KeyboardEvent} */ event) {
    const index = { ArrowLeft: this.#index - 1, ArrowRight: this.#index + 1, Home: 0, End: -1 }[event.key];
    if (index === undefined) return;
    event.preventDefault();
    this.#show(index);
  }
}
