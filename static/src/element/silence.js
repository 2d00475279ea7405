// @ts-check
/**
 * Whether a task is silent for longer than is normal, and how bad that is. Pure.
 *
 * `quiet`: the platform's record confirms that the task runs, it just says nothing. `stuck`: nothing confirms it.
 *
 * @typedef {import("../client/types.js").Snapshot} Snapshot
 * @typedef {"stuck"|"quiet"} SilenceKind
 */

/**
 * @param {Snapshot} task
 * @returns {SilenceKind|null} null for a task that has ended or waits for its turn, where silence is normal
 */
export function silenceOf({ state, stall, done }) {
  if (!stall || done || state === "queued" || state === "held") return null;
  return stall.confirmed ? "quiet" : "stuck";
}

/**
 * @param {Snapshot} task
 * @param {number} now
 * @returns {number} seconds since the last news
 */
export function silentFor_s({ stall, updated_at }, now) {
  return (stall?.silent_s ?? 0) + Math.max(0, now - updated_at);
}
