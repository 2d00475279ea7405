// @ts-check
/** A button that asks for confirmation in place, without a dialog, and shows why its action has failed. */
import { Problem } from "../client/problem.js";
import { h, setText } from "../element/dom.js";

export class ConfirmedButton {
  #act;
  #button;
  #confirm;
  #confirmation;
  #isBusy = false;
  #warning = h("span");
  #status = h("span", { role: "status", class: "faint" });

  /**
   * @param {object} texts
   * @param {string} texts.label
   * @param {string} texts.confirm the label of the button that confirms
   * @param {string} texts.keep the label of the button that does not
   * @param {() => Promise<void>} act
   */
  constructor({ label, confirm, keep }, act) {
    this.#act = act;
    this.#button = h("button", { type: "button" }, label);
    this.#confirm = h("button", { type: "button", class: "main" }, confirm);
    const keepButton = h("button", { type: "button" }, keep);
    this.#confirmation = h("span", { class: "actions", hidden: true }, this.#warning, this.#confirm, keepButton);
    this.element = h("span", { hidden: true }, this.#button, this.#confirmation, this.#status);
    this.#button.addEventListener("click", () => {
      if (this.#isBusy) return;
      this.#ask(true);
      keepButton.focus();
    });
    keepButton.addEventListener("click", () => {
      this.#ask(false);
      this.#button.focus();
    });
    this.#confirm.addEventListener("click", () => this.#send());
  }

  /** Show the button, with a warning for its confirmation; null hides it. */
  render(/** @type {string|null} */ warning) {
    this.element.hidden = warning === null;
    setText(this.#warning, warning ?? "");
  }

  #ask(/** @type {boolean} */ asking) {
    this.#button.hidden = asking;
    this.#confirmation.hidden = !asking;
    setText(this.#status, "");
  }

  /** A disabled button would lose the focus, so a busy one ignores clicks instead. */
  async #send() {
    this.#ask(false);
    this.#button.focus();
    this.#setBusy(true);
    try {
      await this.#act();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setText(this.#status, error.detail || error.title);
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(/** @type {boolean} */ isBusy) {
    this.#isBusy = isBusy;
    this.#button.setAttribute("aria-disabled", String(isBusy));
  }
}
