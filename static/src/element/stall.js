// @ts-check
/**
 * Classifies tasks that have been silent for longer than is normal. Pure.
 *
 * `quiet`: the platform's record confirms that the task is running. `stuck`: nothing confirms it.
 */

/** @import { Snapshot } from "../../relay.js" */
/** @typedef {"stuck"|"quiet"} StallKind */

/**
 * @param {Pick<Snapshot, "state"|"stall"|"done">} task
 * @returns {StallKind|null} null for a task that is not stalled, or is queued, where silence is normal
 */
export function stallOf({ state, stall, done }) {
  if (!stall || done || state === "queued" || state === "held") return null;
  return stall.confirmed ? "quiet" : "stuck";
}

/**
 * @param {Pick<Snapshot, "stall"|"updated_at">} task
 * @param {number} now
 * @returns {number} seconds since the last update
 */
export function silence_s({ stall, updated_at }, now) {
  return (stall?.silent_s ?? 0) + Math.max(0, now - updated_at);
}
