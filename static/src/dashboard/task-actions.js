// @ts-check
/** The buttons of a task's page for a reader who is signed in: run the task again, and delete it. */
import { costText } from "../element/format.js";
import { Api } from "./api.js";
import { ConfirmedButton } from "./confirmed-button.js";
import { RunAgain } from "./run-again.js";
import { KEY, readSecret } from "./tab-store.js";

/** @import { Snapshot } from "../../relay.js" */

export class TaskActions {
  #again;
  #delete;

  /**
   * @param {HTMLElement} container
   * @param {string} task
   * @param {object} handlers
   * @param {(task: string) => Promise<void>} handlers.onStarted called with the new task
   * @param {() => void} handlers.onDeleted
   */
  constructor(container, task, { onStarted, onDeleted }) {
    const api = () => new Api(readSecret(KEY));
    const again = new RunAgain(api);
    this.#again = new ConfirmedButton({ label: "Run again", confirm: "Yes, run it again", keep: "Cancel" }, async () =>
      onStarted((await again.run(task)).task.id),
    );
    this.#delete = new ConfirmedButton({ label: "Delete", confirm: "Yes, delete it", keep: "Keep it" }, async () => {
      await api().delete(task);
      onDeleted();
    });
    container.replaceChildren(this.#again.element, this.#delete.element);
  }

  render(/** @type {Snapshot} */ { done }) {
    const isSignedIn = readSecret(KEY) !== "";
    const cost = done === null ? "It has not ended yet." : `Last time: ${costText(done)}.`;
    this.#again.render(isSignedIn ? cost : null);
    this.#delete.render(isSignedIn && done !== null ? "Its log and results will be lost." : null);
  }
}
