// @ts-check
/**
 * What a board shows of its tasks: which group each is in, which come first, what is hidden, and how all of them
 * together stand. Pure.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {"stuck"|"waiting"|"running"|"succeeded"|"failed"|"canceled"} Group
 * @typedef {{group: Group|"", tag: string, text: string}} Filter
 */

/** @type {readonly Group[]} in the order in which they are shown */
export const GROUPS = ["stuck", "waiting", "running", "succeeded", "failed", "canceled"];

/** @type {Record<Group, string>} */
export const GROUP_WORDS = {
  stuck: "Stuck",
  waiting: "Waiting",
  running: "Running",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Canceled",
};

/**
 * Stuck is what nobody has heard of for longer than is normal.
 *
 * @param {Snapshot} task
 * @returns {Group}
 */
export function groupOf({ state, stall }) {
  switch (state) {
    case "succeeded":
    case "failed":
    case "canceled":
      return state;
    case "lost":
      return "failed";
    default:
      if (stall) return "stuck";
      return state === "preparing" || state === "running" || state === "finishing" ? "running" : "waiting";
  }
}

/** What needs a person comes first, what has ended last; among equals the newest first. */
export function byUrgency(/** @type {Snapshot} */ one, /** @type {Snapshot} */ other) {
  return rank(one) - rank(other) || other.created_at - one.created_at;
}

function rank(/** @type {Snapshot} */ task) {
  if (task.done) return 2;
  return groupOf(task) === "stuck" ? 0 : 1;
}

/**
 * @param {Snapshot} task
 * @param {Filter} filter
 */
export function isShown(task, { group, tag, text }) {
  if (group && groupOf(task) !== group) return false;
  if (tag && !task.tags.includes(tag)) return false;
  const words = text.trim().toLowerCase();
  return [task.model, task.id, task.provider, ...task.tags].some((part) => part.toLowerCase().includes(words));
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

/** `3 of 8 done, 1 failed, 1 stuck` */
export function summaryOf(/** @type {Map<Group, number>} */ counts) {
  const of = (/** @type {Group} */ group) => counts.get(group) ?? 0;
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const ended = of("succeeded") + of("failed") + of("canceled");
  const parts = [`${ended} of ${all} done`];
  if (of("failed")) parts.push(`${of("failed")} failed`);
  if (of("stuck")) parts.push(`${of("stuck")} stuck`);
  return parts.join(", ");
}
