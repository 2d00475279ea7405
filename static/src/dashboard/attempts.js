// @ts-check
/** Runs the actions of a page that uses an API key, and shows their errors. */
import { Problem } from "../client/problem.js";
import { showProblem } from "../form/problem-view.js";

export class Attempts {
  #container;
  #onRejected;

  /**
   * @param {HTMLElement} container shows the error of the latest action, if any
   * @param {() => void} onRejected called when the relay has rejected the API key, before the error is shown
   */
  constructor(container, onRejected) {
    this.#container = container;
    this.#onRejected = onRejected;
  }

  /**
   * Run an action and show its error, if any.
   *
   * @param {() => Promise<void>} action
   * @param {{usesKey?: boolean}} [options] whether a 401 means that the API key is invalid
   */
  async run(action, { usesKey = true } = {}) {
    try {
      await action();
      showProblem(this.#container, null);
    } catch (error) {
      if (error instanceof Problem && error.status === 401 && usesKey) this.#onRejected();
      showProblem(this.#container, error);
    }
  }
}
