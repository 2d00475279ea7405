// @ts-check
/** The error of a task that has ended without success. */

/** @import { Snapshot } from "../../relay.js" */

export class TaskError extends Error {
  /** @param {Snapshot} state the last state of the task, with what it has produced until then */
  constructor(state) {
    const reason = state.done?.error?.message;
    super(`The task ${OUTCOMES[state.done?.verdict ?? "lost"]}${reason ? `: ${reason}` : ""}`);
    this.name = "TaskError";
    this.state = state;
  }
}

const OUTCOMES = {
  succeeded: "succeeded",
  failed: "failed",
  canceled: "was canceled",
  lost: "was lost: its outcome is unknown",
};
