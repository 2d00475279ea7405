// @ts-check
/** Groups, sorts, filters and counts the tasks of the dashboard. Pure. */
import { stallOf } from "../element/stall.js";
import { matchesSearch } from "./search.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { ListedTask } from "../dashboard/api.js" */

/** @typedef {"stuck"|"quiet"|"waiting"|"running"|"succeeded"|"failed"|"canceled"} Group */

/**
 * @typedef {object} Filter
 * @property {Group|""} group
 * @property {string} tag
 * @property {string} text search words; see search.js
 * @property {number} period_s only tasks created in the last seconds; 0 for any time
 * @property {number|null} since the same as unix seconds of the relay's clock
 */

/** @type {Filter} */
export const NO_FILTER = { group: "", tag: "", text: "", period_s: 0, since: null };

/** @type {readonly Group[]} in display order: what needs attention first */
export const GROUPS = ["stuck", "quiet", "running", "waiting", "succeeded", "failed", "canceled"];

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

/**
 * Sort by what needs attention: the longest silent first, then what runs, then the queue in its order, then what ended
 * last.
 *
 * @param {Snapshot} one
 * @param {Snapshot} other
 */
export function byAttention(one, other) {
  const [group, otherGroup] = [groupOf(one), groupOf(other)];
  const difference = rank(group) - rank(otherGroup);
  if (difference !== 0) return difference;
  if (isEndedGroup(group)) return (other.ended_at ?? 0) - (one.ended_at ?? 0) || other.created_at - one.created_at;
  if (group === "waiting") return placeInQueue(one) - placeInQueue(other) || one.created_at - other.created_at;
  if (group === "running") return other.created_at - one.created_at;
  return silentSince(one) - silentSince(other);
}

function rank(/** @type {Group} */ group) {
  return isEndedGroup(group) ? GROUPS.length : GROUPS.indexOf(group);
}

/** The platform's queue is ahead of the relay's own. */
function placeInQueue(/** @type {Snapshot} */ { state, hold }) {
  return state === "held" ? (hold?.position ?? Infinity) : state === "submitting" ? 0 : -1;
}

function silentSince(/** @type {Snapshot} */ { updated_at, stall }) {
  return updated_at - (stall?.silent_s ?? 0);
}

/**
 * Return whether a task matches a filter, ignoring its group. The relay filters its list by the same rules; this is for
 * tasks that arrive while the dashboard is open.
 *
 * @param {ListedTask} task
 * @param {Filter} filter
 */
export function matchesFilter({ id, model, tags, title, created_at }, { tag, text, since }) {
  if (tag && !tags.includes(tag)) return false;
  if (since !== null && created_at < since) return false;
  return matchesSearch(text, id, [model, ...tags, title ?? ""]);
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

export function sum(/** @type {Iterable<number>} */ numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
