// @ts-check
/**
 * What a screen reader announces about a task: its state, and why it does not go on. Pure.
 *
 * It changes only when there is something to say: announcing every percent would drown out everything else.
 */
import { STATE_LABELS } from "./format.js";
import { stallOf } from "./stall.js";
import { say } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */

/**
 * @param {Pick<Snapshot, "state"|"hold"|"stall"|"done">} state
 * @returns {string}
 */
export function announcementOf(state) {
  return [STATE_LABELS[state.state], reasonOf(state)].filter(Boolean).join(". ");
}

/** @param {Pick<Snapshot, "state"|"hold"|"stall"|"done">} state */
function reasonOf(state) {
  if (state.hold) return holdText(state.hold.position);
  return stallOf(state) ? say("announce.stalled") : "";
}

function holdText(/** @type {number} */ position) {
  return position > 0 ? say("notice.position", { position }) : say("notice.next");
}
