// @ts-check
/** The button that cancels a task. It asks for confirmation in place, without a dialog. */
import { Problem } from "../client/problem.js";
import { h, setText, textElement } from "./dom.js";
import { focusOn, setHidden } from "./focus.js";
import { say } from "./words.js";

export class CancelView {
  #container;
  #card;
  #cancel;
  #button;
  #confirmation;
  #status;

  /**
   * @param {HTMLElement} container
   * @param {HTMLElement} card receives the focus when the button disappears
   * @param {() => Promise<unknown>} cancel
   */
  constructor(container, card, cancel) {
    this.#container = container;
    this.#card = card;
    this.#cancel = cancel;
    this.#button = h("button", { type: "button", part: "cancel" }, say("cancel.cancel"));
    const confirm = h("button", { type: "button", class: "main" }, say("cancel.confirm"));
    const keep = h("button", { type: "button" }, say("cancel.keep"));
    const warning = textElement("span", say("cancel.warning"));
    this.#confirmation = h("span", { class: "actions", hidden: true }, warning, confirm, keep);
    this.#status = h("span", { role: "status", class: "faint" });
    container.replaceChildren(this.#button, this.#confirmation, this.#status);
    this.#button.addEventListener("click", () => {
      this.#askToConfirm(true);
      keep.focus();
    });
    keep.addEventListener("click", () => {
      this.#askToConfirm(false);
      this.#button.focus();
    });
    confirm.addEventListener("click", () => this.#send());
  }

  render(/** @type {boolean} */ canCancel) {
    setHidden(this.#container, !canCancel, this.#card);
  }

  #askToConfirm(/** @type {boolean} */ asking) {
    this.#button.hidden = asking;
    this.#confirmation.hidden = !asking;
    setText(this.#status, "");
  }

  async #send() {
    setText(this.#status, say("cancel.requesting"));
    focusOn(this.#status); // before the button that has the focus disappears
    this.#confirmation.hidden = true;
    try {
      await this.#cancel();
      setText(this.#status, say("cancel.requested"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#askToConfirm(false);
      setText(this.#status, error.detail || error.title);
      if (!this.#container.hidden) this.#button.focus();
    }
  }
}
