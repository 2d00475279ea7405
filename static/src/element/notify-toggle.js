// @ts-check
/** A button by which a reader asks for a signal at the end of a task. Nothing is asked of the browser before its click. */
import { EndSignal } from "./end-signal.js";

export class NotifyToggle {
  #button;
  #say;
  #signal = new EndSignal();

  /**
   * @param {HTMLButtonElement} button
   * @param {(text: string) => void} say shows what the browser does not allow; empty to clear it
   */
  constructor(button, say) {
    this.#button = button;
    this.#say = say;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => this.#toggle());
  }

  get isOn() {
    return this.#signal.isOn;
  }

  /** Signal the end of what the reader waits for, if the reader has asked for it. */
  send(/** @type {Parameters<EndSignal["send"]>[0]} */ end) {
    this.#signal.send(end);
    this.#render();
  }

  async #toggle() {
    if (this.#signal.isOn) {
      this.#signal.turnOff();
      this.#say("");
      return this.#render();
    }
    const asked = this.#signal.turnOn();
    this.#render();
    this.#say(await asked);
  }

  #render() {
    this.#button.setAttribute("aria-pressed", String(this.#signal.isOn));
  }
}
