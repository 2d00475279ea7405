// @ts-check
/** Shows pictures one at a time over the whole window; arrows, Home and End walk through them, Escape leaves. */
import { h, setText } from "./dom.js";
import { MediaLoader } from "./media-loader.js";

/** @typedef {{readonly src: string, name: string}} Picture */

export class Lightbox {
  #room;
  /** @type {Picture[]} */
  #pictures = [];
  #index = 0;
  /** @type {HTMLDialogElement|null} */
  #dialog = null;
  #stage = h("div", { class: "stage" });
  /** @type {MediaLoader|null} */
  #loader = null;
  #title = h("span", { "aria-live": "polite" });

  constructor(/** @type {HTMLElement} */ room) {
    this.#room = room;
  }

  /**
   * @param {Picture[]} pictures
   * @param {number} index which of them to show first
   */
  open(pictures, index) {
    this.#dialog ??= this.#build();
    this.#pictures = pictures;
    this.#go(index);
    this.#dialog.showModal();
  }

  /** Go on loading, after it was out of the document. */
  wake() {
    this.#loader?.wake();
  }

  #go(/** @type {number} */ index) {
    const { length } = this.#pictures;
    this.#index = (index + length) % length;
    const { src, name } = this.#pictures[this.#index];
    this.#loader?.stop();
    this.#loader = new MediaLoader({ url: src, make: () => h("img", { alt: name }) });
    this.#stage.replaceChildren(this.#loader.element);
    setText(this.#title, length > 1 ? `${name} (${this.#index + 1} of ${length})` : name);
    for (const button of this.#dialog?.querySelectorAll("[data-step]") ?? []) {
      /** @type {HTMLElement} */ (button).hidden = length < 2;
    }
  }

  #build() {
    const step = (/** @type {number} */ by, /** @type {string} */ words, /** @type {string} */ label) => {
      const button = h("button", { type: "button", "data-step": String(by), "aria-label": label }, words);
      button.addEventListener("click", () => this.#go(this.#index + by));
      return button;
    };
    const close = h("button", { type: "button" }, "Close");
    const dialog = h(
      "dialog",
      { part: "lightbox", "aria-label": "Enlarged result" },
      h("div", { class: "tools" }, this.#title, close),
      this.#stage,
      h("div", { class: "tools" }, step(-1, "← Previous", "Previous picture"), step(1, "Next →", "Next picture")),
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
    dialog.addEventListener("keydown", (event) => this.#key(event));
    this.#room.append(dialog);
    return dialog;
  }

  #key(/** @type {KeyboardEvent} */ event) {
    const to = { ArrowLeft: this.#index - 1, ArrowRight: this.#index + 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#go(to);
  }
}
