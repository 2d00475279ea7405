// @ts-check
/** Groups, sorts, filters and counts the tasks of the dashboard. Pure. */
import { stallOf } from "../element/stall.js";
import { matchesSearch } from "./search.js";

/** @import { Snapshot } from "../../relay.js" */

/** @typedef {"stuck"|"quiet"|"waiting"|"running"|"succeeded"|"failed"|"canceled"} Group */

/**
 * @typedef {object} Filter
 * @property {Group|""} group
 * @property {string} tag
 * @property {string} text search words; see search.js
 * @property {number|null} since unix seconds: only tasks created then or later
 */

/**
 * Which counts are complete. The others cover only the tasks that are loaded.
 *
 * @typedef {object} Completeness
 * @property {boolean} open
 * @property {(group: Group) => boolean} group
 */

/** @type {Filter} */
export const NO_FILTER = { group: "", tag: "", text: "", since: null };

/** @type {readonly Group[]} in display order */
export const GROUPS = ["stuck", "quiet", "waiting", "running", "succeeded", "failed", "canceled"];

/** @type {Record<Group, string>} */
export const GROUP_LABELS = {
  stuck: "Stuck",
  quiet: "No updates",
  waiting: "Waiting",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Canceled",
};

/** @type {ReadonlySet<Group|"">} */
const ENDED_GROUPS = new Set(["succeeded", "failed", "canceled"]);

/** Return whether the tasks of a group have ended. */
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
      return stallOf(task) ?? "running";
    default:
      return stallOf(task) ?? "waiting";
  }
}

/** Sort stuck tasks first and ended ones last; within a group the newest first. */
export function byUrgency(/** @type {Snapshot} */ one, /** @type {Snapshot} */ other) {
  return rank(one) - rank(other) || other.created_at - one.created_at;
}

function rank(/** @type {Snapshot} */ task) {
  const group = groupOf(task);
  if (isEndedGroup(group)) return 3;
  return group === "stuck" ? 0 : group === "quiet" ? 1 : 2;
}

/**
 * Return whether a task matches a filter, ignoring its group. The relay filters its list by the same rules; this is for
 * tasks that arrive while the dashboard is open.
 *
 * @param {Snapshot} task
 * @param {Filter} filter
 */
export function matchesFilter({ id, model, tags, created_at }, { tag, text, since }) {
  if (tag && !tags.includes(tag)) return false;
  if (since !== null && created_at < since) return false;
  return matchesSearch(text, id, [model, ...tags]);
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
 * Return a summary such as `3 of 8 done, 1 failed, 1 stuck`, or `5 open, 1 stuck` if not all tasks are loaded.
 *
 * @param {Map<Group, number>} counts
 * @param {Completeness} complete
 */
export function summarize(counts, complete) {
  const count = (/** @type {Group} */ group) => counts.get(group) ?? 0;
  const all = sum(counts.values());
  const ended = sum(GROUPS.filter(isEndedGroup).map(count));
  const isComplete = GROUPS.every(complete.group);
  const parts = isComplete ? [`${ended} of ${all} done`] : [`${all - ended}${complete.open ? "" : "+"} open`];
  if (isComplete && count("failed")) parts.push(`${count("failed")} failed`);
  if (count("stuck")) parts.push(`${count("stuck")} stuck`);
  if (count("quiet")) parts.push(`${count("quiet")} without updates`);
  return parts.join(", ");
}

export function sum(/** @type {Iterable<number>} */ numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
