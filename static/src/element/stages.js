// @ts-check
/**
 * The six stages that a person sees, out of the upstream's finer ones, with what each has taken. Pure.
 *
 * The first lasts from the start of the task, so that all of them together are the time that it took.
 *
 * @typedef {import("../client/types.js").Snapshot} Snapshot
 * @typedef {"passed"|"skipped"|"current"|"ahead"|"ended"} RailStatus
 */
import { STATE_WORDS } from "./format.js";

/**
 * @typedef {object} RailStage
 * @property {string} name
 * @property {RailStatus} status
 * @property {number|null} lasted_s null where it did not begin, or nobody knows when
 * @property {boolean} reconstructed worked out afterwards, not seen
 */

const RAIL = [
  { name: "Queued", types: ["queue"] },
  { name: "Preparing", types: ["accept", "preprocess_start", "preprocess_end"] },
  { name: "Starting", types: ["assign"] },
  { name: "Generating", types: ["start"] },
  { name: "Finishing", types: ["end", "postprocess_start", "postprocess_end"] },
];

/** Where a state stands on the rail, for a task whose stage nobody has seen begin. */
const RANK_OF_STATE = /** @type {Record<string, number>} */ ({ preparing: 1, running: 3, finishing: 4 });

/**
 * @param {Snapshot} snapshot
 * @param {number} now seconds of the server's clock
 * @returns {RailStage[]} six of them
 */
export function railOf({ stages, state, done, created_at, ended_at }, now) {
  const marks = RAIL.map(({ types }) => stages.filter(({ type }) => types.includes(type)));
  const began = marks.map((found) => (found.length ? Math.min(...found.map(({ at }) => at)) : null));
  began[0] = created_at;
  const reached = Math.max(
    began.findLastIndex((at) => at !== null),
    RANK_OF_STATE[state] ?? 0,
  );
  const rail = RAIL.map(({ name }, rank) => {
    const at = began[rank];
    const until = began.slice(rank + 1).find((later) => later !== null) ?? ended_at ?? now;
    return {
      name,
      status: statusOf(rank, reached, at, done !== null),
      lasted_s: at === null ? null : Math.max(0, until - at),
      reconstructed: marks[rank].length > 0 && marks[rank].every(({ source }) => source === "reconciled"),
    };
  });
  const end = done && done.verdict !== "succeeded" ? STATE_WORDS[done.verdict] : "Done";
  return [...rail, { name: end, status: done ? "ended" : "ahead", lasted_s: null, reconstructed: false }];
}

/**
 * @param {number} rank
 * @param {number} reached
 * @param {number|null} at
 * @param {boolean} ended
 * @returns {RailStatus}
 */
function statusOf(rank, reached, at, ended) {
  if (rank > reached) return "ahead";
  if (rank === reached && !ended) return "current";
  return at === null ? "skipped" : "passed";
}
