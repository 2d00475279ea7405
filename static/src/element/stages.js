// @ts-check
/**
 * Groups the platform's fine-grained stages into the few that people see, with their place on the time axis. Pure.
 *
 * The first stage starts with the task, so that all of them together are the time that the task took.
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
 * @property {number} start_s after the start of the task; 0 if it has not started
 * @property {number|null} duration_s null if it has not started, or its start is unknown
 * @property {boolean} isReconstructed taken from the platform's record afterwards, not seen live
 */

/** @type {{name: WordKey, types: string[]}[]} */
const STAGES = [
  { name: "stages.waiting", types: [] },
  { name: "state.queued", types: ["queue"] },
  { name: "state.preparing", types: ["accept", "preprocess_start", "preprocess_end"] },
  { name: "stages.starting", types: ["assign"] },
  { name: "state.running", types: ["start"] },
  { name: "state.finishing", types: ["end", "postprocess_start", "postprocess_end"] },
];
const [WAITING, QUEUED] = [0, 1];

/** The stage of a state, for a task whose stages were not seen to start. @type {Record<string, number>} */
const INDEX_OF_STATE = { held: WAITING, submitting: WAITING, queued: QUEUED, preparing: 2, running: 4, finishing: 5 };

/** A shorter time between the start of a task and its arrival at the platform is not shown as waiting. */
const WAITING_S = 1;

/**
 * @param {Pick<Snapshot, "stages"|"state"|"done"|"created_at"|"ended_at">} snapshot
 * @param {number} now seconds of the server's clock
 * @returns {Stage[]} the last one is the end of the task
 */
export function stagesOf({ stages, state, done, created_at, ended_at }, now) {
  const marks = STAGES.map(({ types }) => stages.filter(({ type }) => types.includes(type)));
  /** @type {(number|null)[]} */
  const starts = marks.map((found) => (found.length ? Math.min(...found.map(({ at }) => at)) : null));
  const first = state === "held" || state === "submitting" ? WAITING : firstStage(starts[QUEUED], created_at);
  starts[first] = created_at;
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
      start_s: Math.max(0, (start ?? created_at) - created_at),
      duration_s: start === null ? null : Math.max(0, end - start),
      isReconstructed: marks[index].length > 0 && marks[index].every(({ source }) => source === "reconciled"),
    };
  });
  const name = done && done.verdict !== "succeeded" ? STATE_LABELS[done.verdict] : say("stages.done");
  const duration_s = done && ended_at !== null ? Math.max(0, ended_at - created_at) : null;
  /** @type {Stage} */
  const end = { name, status: done ? "ended" : "ahead", start_s: 0, duration_s, isReconstructed: false };
  return [...grouped.slice(first), end];
}

/**
 * @param {number|null} queued_at
 * @param {number} created_at
 */
function firstStage(queued_at, created_at) {
  return queued_at !== null && queued_at - created_at >= WAITING_S ? WAITING : QUEUED;
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
