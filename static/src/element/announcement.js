// @ts-check
/**
 * What a screen reader announces about a task: its state, and what is new in it. Pure.
 *
 * It changes only when there is something to say: announcing every percent would drown out everything else.
 */
import { failureOf } from "./failure.js";
import { STATE_LABELS } from "./format.js";
import { resultsText } from "./results-text.js";
import { stallOf } from "./stall.js";
import { say } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */

/**
 * @param {Snapshot} state
 * @returns {string}
 */
export function announcementOf(state) {
  const label = STATE_LABELS[state.state];
  return [label, detailOf(state)].filter(Boolean).join(". ");
}

function detailOf(/** @type {Snapshot} */ state) {
  const { done, hold, outputs } = state;
  const results = resultsText(outputs);
  if (done?.verdict === "failed") return failureOf(done).cause;
  if (results && (done === null || done.verdict === "succeeded")) return say("announce.ready", { results });
  if (hold) return hold.position > 0 ? say("notice.position", { position: hold.position }) : say("notice.next");
  return stallOf(state) ? say("announce.stalled") : "";
}
