// @ts-check
/**
 * Groups the platform's fine-grained stages into the six that people see, with their durations. Pure.
 *
 * The first stage lasts from the start of the task, so that all six together are the time that the task took.
 */
import { STATE_LABELS } from "./format.js";
import { say } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { WordKey } from "./words.js" */

/** @typedef {"passed"|"skipped"|"current"|"ahead"|"ended"} StageStatus */

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {StageStatus} status
 * @property {number|null} duration_s null if it has not started, or its start is unknown
 * @property {boolean} isReconstructed taken from the platform's record afterwards, not seen live
 */

/** @type {{name: WordKey, types: string[]}[]} */
const STAGES = [
  { name: "state.queued", types: ["queue"] },
  { name: "state.preparing", types: ["accept", "preprocess_start", "preprocess_end"] },
  { name: "stages.starting", types: ["assign"] },
  { name: "state.running", types: ["start"] },
  { name: "state.finishing", types: ["end", "postprocess_start", "postprocess_end"] },
];

/** The stage of a state, for a task whose stages were not seen to start. @type {Record<string, number>} */
const INDEX_OF_STATE = { preparing: 1, running: 3, finishing: 4 };

/**
 * @param {Snapshot} snapshot
 * @param {number} now seconds of the server's clock
 * @returns {Stage[]} six stages
 */
export function stagesOf({ stages, state, done, created_at, ended_at }, now) {
  const marks = STAGES.map(({ types }) => stages.filter(({ type }) => types.includes(type)));
  const starts = marks.map((found) => (found.length ? Math.min(...found.map(({ at }) => at)) : null));
  starts[0] = created_at;
  const reached = Math.max(
    starts.findLastIndex((at) => at !== null),
    INDEX_OF_STATE[state] ?? 0,
  );
  const grouped = STAGES.map(({ name }, index) => {
    const start = starts[index];
    const end = starts.slice(index + 1).find((later) => later !== null) ?? ended_at ?? now;
    return {
      name: say(name),
      status: statusOf(index, reached, start, done !== null),
      duration_s: start === null ? null : Math.max(0, end - start),
      isReconstructed: marks[index].length > 0 && marks[index].every(({ source }) => source === "reconciled"),
    };
  });
  const name = done && done.verdict !== "succeeded" ? STATE_LABELS[done.verdict] : say("stages.done");
  return [...grouped, { name, status: done ? "ended" : "ahead", duration_s: null, isReconstructed: false }];
}

/**
 * @param {number} index
 * @param {number} reached the index of the furthest stage that has started
 * @param {number|null} start
 * @param {boolean} isDone
 * @returns {StageStatus}
 */
function statusOf(index, reached, start, isDone) {
  if (index > reached) return "ahead";
  if (index === reached && !isDone) return "current";
  return start === null ? "skipped" : "passed";
}
