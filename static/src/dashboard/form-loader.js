// @ts-check
/** Loads the script of the form that starts tasks, when it is needed: the list comes first. */
import { Problem } from "../client/problem.js";

/** @import { Started } from "../client/start-call.js" */
/** @import { StartForm } from "./start-form.js" */

export class FormLoader {
  #element;
  #options;
  /** @type {Promise<StartForm>|null} */
  #form = null;

  /**
   * @param {HTMLFormElement} element names its script in `data-script`
   * @param {{key: () => string, onStart: (started: Started) => void}} options
   */
  constructor(element, options) {
    this.#element = element;
    this.#options = options;
  }

  /** Return the form. After a failure, the next call tries again. */
  loaded() {
    this.#form ??= this.#load().catch((error) => {
      this.#form = null;
      throw error;
    });
    return this.#form;
  }

  async #load() {
    const address = new URL(this.#element.dataset.script ?? "", document.baseURI).href;
    /** @type {typeof import("../../pages/start.js")} */
    const { createStartForm } = await import(address).catch((error) => {
      if (error instanceof TypeError)
        throw new Problem(0, "The form could not be loaded", { detail: "Reload the page." });
      throw error;
    });
    return createStartForm(this.#element, this.#options);
  }
}
