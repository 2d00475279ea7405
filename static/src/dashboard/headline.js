// @ts-check
/** Says in one line what needs attention, what runs and waits, and how today went. Pure. */

import { groupOf } from "../board/task-groups.js";
import { silence_s } from "../element/stall.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { GroupCounts } from "./task-counts.js" */
/** @import { Group } from "../board/task-groups.js" */

/** @typedef {{group: Group|"", text: string}} Part */

/**
 * Return the parts about open tasks, the most urgent first: `1 stuck 9 min`, `4 running`, `12 waiting`.
 *
 * @param {GroupCounts} counts
 * @param {Iterable<Snapshot>} tasks of which the longest silence is taken
 * @param {number} now
 * @param {boolean} isFiltered
 * @returns {Part[]}
 */
export function openParts(counts, tasks, now, isFiltered) {
  const silences = { stuck: 0, quiet: 0 };
  for (const task of tasks) {
    const group = groupOf(task);
    if (group === "stuck" || group === "quiet") silences[group] = Math.max(silences[group], silence_s(task, now));
  }
  const count = (/** @type {Group} */ group) => counts.get(group) ?? 0;
  const withSilence = (/** @type {string} */ text, /** @type {number} */ silent_s) =>
    silent_s > 0 ? `${text} ${roundDuration(silent_s)}` : text;
  /** @type {Part[]} */
  const parts = [
    { group: "stuck", text: withSilence(`${count("stuck")} stuck`, silences.stuck) },
    { group: "quiet", text: withSilence(`${count("quiet")} without updates`, silences.quiet) },
    { group: "running", text: `${count("running")} running` },
    { group: "waiting", text: `${count("waiting")} waiting` },
  ];
  const shown = parts.filter(({ group }) => group !== "" && count(group) > 0);
  return shown.length ? shown : [{ group: "", text: isFiltered ? "No open tasks match" : "No open tasks" }];
}

/**
 * Return how the tasks of today ended: `today 183 done, 16 failed`; empty if none has ended.
 *
 * @param {GroupCounts} counts of the tasks that were started today
 */
export function todayText(counts) {
  const [done, failed, canceled] = [counts.get("succeeded"), counts.get("failed"), counts.get("canceled")];
  if (!done && !failed && !canceled) return "";
  const parts = [`today ${done ?? 0} done`];
  if (failed) parts.push(`${failed} failed`);
  if (canceled) parts.push(`${canceled} canceled`);
  return parts.join(", ");
}

/** Format a duration with a single figure: `45 s`, `9 min`, `3 h`, `2 d`. */
export function roundDuration(/** @type {number} */ seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
