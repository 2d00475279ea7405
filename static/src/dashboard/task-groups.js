// @ts-check
/**
 * What a board shows of its tasks: which group each is in, which come first, which fit a filter, and how all of them
 * together stand. Pure.
 *
 * @typedef {import("../client/types.js").Snapshot} Snapshot
 * @typedef {"stuck"|"quiet"|"waiting"|"running"|"succeeded"|"failed"|"canceled"} Group
 */

import { silenceOf } from "../element/silence.js";
import { isFound } from "./search.js";

/**
 * @typedef {object} Filter
 * @property {Group|""} group
 * @property {string} tag
 * @property {string} text words that begin the id, or a word of the model or of a tag
 * @property {number|null} since unix seconds: only tasks created then or later
 */

/** @type {Filter} */
export const NO_FILTER = { group: "", tag: "", text: "", since: null };

/** @type {readonly Group[]} in the order in which they are shown */
export const GROUPS = ["stuck", "quiet", "waiting", "running", "succeeded", "failed", "canceled"];

/** @type {Record<Group, string>} */
export const GROUP_WORDS = {
  stuck: "Stuck",
  quiet: "No news",
  waiting: "Waiting",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Canceled",
};

/** @type {ReadonlySet<Group|"">} */
const ENDED_GROUPS = new Set(["succeeded", "failed", "canceled"]);

/** Whether the tasks of a group have ended. */
export function isEndedGroup(/** @type {Group|""} */ group) {
  return ENDED_GROUPS.has(group);
}

/**
 * @param {Snapshot} task
 * @returns {Group}
 */
export function groupOf(task) {
  switch (task.state) {
    case "succeeded":
    case "failed":
    case "canceled":
      return task.state;
    case "lost":
      return "failed";
    case "preparing":
    case "running":
    case "finishing":
      return silenceOf(task) ?? "running";
    default:
      return silenceOf(task) ?? "waiting";
  }
}

/** What needs a person comes first, what has ended last; among equals the newest first. */
export function byUrgency(/** @type {Snapshot} */ one, /** @type {Snapshot} */ other) {
  return rank(one) - rank(other) || other.created_at - one.created_at;
}

function rank(/** @type {Snapshot} */ task) {
  const group = groupOf(task);
  if (isEndedGroup(group)) return 3;
  return group === "stuck" ? 0 : group === "quiet" ? 1 : 2;
}

/**
 * Whether a task fits all of a filter but its group. The relay searches its whole list by the same rule; this one is for
 * tasks that join while somebody looks.
 *
 * @param {Snapshot} task
 * @param {Filter} filter
 */
export function fits({ id, model, tags, created_at }, { tag, text, since }) {
  if (tag && !tags.includes(tag)) return false;
  if (since !== null && created_at < since) return false;
  return isFound(text, id, [model, ...tags]);
}

/**
 * @param {Iterable<Snapshot>} tasks
 * @returns {Map<Group, number>}
 */
export function countGroups(tasks) {
  const counts = new Map(GROUPS.map((group) => [group, 0]));
  for (const task of tasks) counts.set(groupOf(task), (counts.get(groupOf(task)) ?? 0) + 1);
  return counts;
}

/**
 * Which counts are of all tasks there are. Of others only some tasks are loaded.
 *
 * @typedef {object} Known
 * @property {boolean} open
 * @property {(group: Group) => boolean} group
 */

/**
 * Return `3 of 8 done, 1 failed, 1 stuck`; where not all tasks are loaded, `5 open, 1 stuck` alone is true.
 *
 * @param {Map<Group, number>} counts
 * @param {Known} known
 */
export function summaryOf(counts, known) {
  const of = (/** @type {Group} */ group) => counts.get(group) ?? 0;
  const all = sum(counts.values());
  const ended = sum(GROUPS.filter(isEndedGroup).map(of));
  const isWhole = GROUPS.every(known.group);
  const parts = isWhole ? [`${ended} of ${all} done`] : [`${all - ended}${known.open ? "" : "+"} open`];
  if (isWhole && of("failed")) parts.push(`${of("failed")} failed`);
  if (of("stuck")) parts.push(`${of("stuck")} stuck`);
  if (of("quiet")) parts.push(`${of("quiet")} without news`);
  return parts.join(", ");
}

export function sum(/** @type {Iterable<number>} */ numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
