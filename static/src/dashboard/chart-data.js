// @ts-check
/** Summarizes tasks that have ended, for the charts: how many and how, how long they took, and what they cost. Pure. */
import { groupOf } from "../board/task-groups.js";
import { timesOf } from "../board/task-times.js";
import { titleOf } from "../board/task-title.js";

/** @import { ListedTask } from "./api.js" */

/** @typedef {"succeeded"|"failed"|"canceled"} Outcome */
/** @typedef {{at: number, succeeded: number, failed: number, canceled: number}} Bucket */
/** @typedef {{at: number, waited: number, total: number, outcome: Outcome, title: string}} Run durations in seconds */
/** @typedef {{unit: "usd"|"credits", total: number, points: {at: number, sum: number}[]}} Spending */

/** @type {readonly Outcome[]} */
export const OUTCOMES = ["succeeded", "failed", "canceled"];

/** Widths that a reader can name, in seconds. */
const WIDTHS_S = [1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 86_400];
const BUCKETS = 24;

/**
 * Return the tasks that have ended, oldest first.
 *
 * @param {Iterable<ListedTask>} tasks
 */
export function endedTasks(tasks) {
  return [...tasks].filter(({ ended_at }) => ended_at !== null).sort((one, other) => endOf(one) - endOf(other));
}

/**
 * Count the tasks by when and how they ended.
 *
 * @param {ListedTask[]} ended oldest first
 * @returns {{width_s: number, buckets: Bucket[]}} at most 25 buckets, empty ones included; `at` is where one begins
 */
export function throughput(ended) {
  if (!ended.length) return { width_s: 0, buckets: [] };
  const [first, last] = [endOf(ended[0]), endOf(ended[ended.length - 1])];
  const longest_s = WIDTHS_S[WIDTHS_S.length - 1];
  const enough = WIDTHS_S.find((width_s) => last - first <= width_s * BUCKETS);
  const width_s = enough ?? longest_s * Math.ceil((last - first) / longest_s / BUCKETS);
  const begin = Math.floor(first / width_s) * width_s;
  const count = Math.floor((last - begin) / width_s) + 1;
  const buckets = Array.from({ length: count }, (_, index) => {
    return { at: begin + index * width_s, succeeded: 0, failed: 0, canceled: 0 };
  });
  for (const task of ended) buckets[Math.floor((endOf(task) - begin) / width_s)][outcomeOf(task)] += 1;
  return { width_s, buckets };
}

/**
 * @param {ListedTask[]} ended
 * @returns {Run[]}
 */
export function runs(ended) {
  return ended.map((task) => {
    const { waited, total } = timesOf(task, endOf(task));
    return { at: endOf(task), waited, total, outcome: outcomeOf(task), title: titleOf(task) };
  });
}

/**
 * Add up what the tasks cost. Dollars and credits are never summed together.
 *
 * @param {ListedTask[]} ended oldest first
 * @returns {Spending[]} one for each unit that occurs
 */
export function spending(ended) {
  /** @type {Map<string, Spending>} */
  const found = new Map();
  for (const { done, ended_at } of ended) {
    if (!done?.cost || done.billed === false || ended_at === null) continue;
    const { amount, unit } = done.cost;
    const known = found.get(unit) ?? { unit, total: 0, points: [] };
    known.total += amount;
    known.points.push({ at: ended_at, sum: known.total });
    found.set(unit, known);
  }
  return [...found.values()].sort((one, other) => other.points.length - one.points.length);
}

function endOf(/** @type {ListedTask} */ { ended_at, updated_at }) {
  return ended_at ?? updated_at;
}

/** @returns {Outcome} */
function outcomeOf(/** @type {ListedTask} */ task) {
  const group = groupOf(task);
  return group === "succeeded" || group === "canceled" ? group : "failed";
}
