// @ts-check
/** Counts tasks by group: those that are loaded, and all that the relay has. Pure. */
import { GROUPS, groupOf } from "../board/task-groups.js";

/** @import { Snapshot, State } from "../../relay.js" */
/** @import { Group } from "../board/task-groups.js" */

/** @typedef {ReadonlyMap<Group, number>} GroupCounts */
/**
 * The answer of `GET /v1/tasks/counts`. Of the states in `at_least` there may be more tasks than it says.
 *
 * @typedef {{states: Partial<Record<State, number>>, stalled: number, at_least: State[]}} Counts
 */

/** @type {Record<Group, readonly State[]>} stuck and quiet tasks are in the states of running ones */
const STATES = {
  stuck: [],
  quiet: [],
  running: ["preparing", "running", "finishing"],
  waiting: ["submitting", "held", "queued"],
  succeeded: ["succeeded"],
  failed: ["failed", "lost"],
  canceled: ["canceled"],
};

/** @returns {GroupCounts} */
export function countTasks(/** @type {Iterable<Snapshot>} */ tasks) {
  const counts = new Map(GROUPS.map((group) => [group, 0]));
  for (const task of tasks) counts.set(groupOf(task), (counts.get(groupOf(task)) ?? 0) + 1);
  return counts;
}

/**
 * Combine what is loaded with what the relay has counted.
 *
 * Open tasks that are all loaded are counted here, because they change live. The relay counts stalled tasks, but not
 * which of them are stuck: those that are not loaded count as stuck.
 *
 * @param {GroupCounts} loaded
 * @param {Counts|null} counted null if it is not known yet
 * @param {boolean} isOpenLoaded whether all open tasks are loaded
 * @returns {GroupCounts}
 */
export function combineCounts(loaded, counted, isOpenLoaded) {
  if (counted === null) return loaded;
  const count = (/** @type {Group} */ group) => loaded.get(group) ?? 0;
  const entries = GROUPS.map((group) => {
    const total = STATES[group].reduce((sum, state) => sum + (counted.states[state] ?? 0), 0);
    switch (group) {
      case "stuck":
        return [group, isOpenLoaded ? count(group) : Math.max(count(group), counted.stalled - count("quiet"))];
      case "quiet":
        return [group, count(group)];
      case "running":
        return [group, isOpenLoaded ? count(group) : Math.max(0, total - counted.stalled)];
      case "waiting":
        return [group, isOpenLoaded ? count(group) : total];
      default:
        return [group, total];
    }
  });
  return new Map(/** @type {[Group, number][]} */ (entries));
}

/** Return the groups that may have more tasks than counted. @returns {ReadonlySet<Group>} */
export function limitedGroups(/** @type {Counts|null} */ counted) {
  const limited = counted?.at_least ?? [];
  return new Set(GROUPS.filter((group) => STATES[group].some((state) => limited.includes(state))));
}

/** Format a count: `1,204`, or `10,000+` if there may be more. */
export function countText(/** @type {number} */ count, /** @type {boolean} */ isLimited) {
  return `${count.toLocaleString()}${isLimited ? "+" : ""}`;
}
