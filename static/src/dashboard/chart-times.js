// @ts-check
/** The chart of how long tasks waited and took, on a logarithmic scale. Each outcome has its own shape. */

import { svg } from "../board/svg.js";
import { median } from "../board/task-times.js";
import { clockTime, duration } from "../element/format.js";
import { HEIGHT } from "./chart-card.js";

/** @import { Content } from "./chart-card.js" */
/** @import { Run } from "./chart-data.js" */

/** Lines that a reader can name. */
const LINES = [
  { s: 1, label: "1 s" },
  { s: 10, label: "10 s" },
  { s: 60, label: "1 min" },
  { s: 600, label: "10 min" },
  { s: 3600, label: "1 h" },
  { s: 36_000, label: "10 h" },
];
export const LABEL_WIDTH = 42;
const PADDING = 6;

/**
 * @param {Run[]} runs
 * @param {number} now
 * @returns {Content}
 */
export function timesContent(runs, now) {
  const waited = runs.length ? median(runs.map((run) => run.waited)) : 0;
  const total = runs.length ? median(runs.map((run) => run.total)) : 0;
  return {
    caption: "Time per task (grey: waiting)",
    figure: runs.length ? `median ${duration(total)}, ${duration(waited)} waiting` : "no results yet",
    description: `Time per task, from the queue to the end: median ${duration(total)}, of which ${duration(waited)} waiting`,
    head: ["Ended", "Task", "Waited", "Total", "Result"],
    rows: [...runs].reverse().map((run) => {
      return [clockTime(run.at, now), run.title, duration(run.waited), duration(run.total), run.outcome];
    }),
  };
}

/**
 * @param {Run[]} runs oldest first
 * @param {number} width
 * @returns {Node[]}
 */
export function timesShapes(runs, width) {
  const longest = Math.max(10, ...runs.map((run) => run.total));
  const shortest = Math.min(1, ...runs.map((run) => Math.max(0.1, run.total)));
  const { y, lines } = timeScale(shortest, longest, width);
  const [first, last] = [runs[0]?.at ?? 0, runs[runs.length - 1]?.at ?? 1];
  const x = (/** @type {number} */ at) =>
    LABEL_WIDTH + PADDING + ((at - first) / (last - first || 1)) * (width - LABEL_WIDTH - 2 * PADDING);
  const marks = runs.flatMap((run) => {
    const waits = svg("circle", { cx: x(run.at), cy: y(run.waited), r: 1.5, class: "waited" });
    return run.waited >= shortest ? [waits, mark(run, x(run.at), y(run.total))] : [mark(run, x(run.at), y(run.total))];
  });
  return [...lines, ...marks];
}

/**
 * Return a logarithmic scale for durations in seconds, with the lines that name them.
 *
 * @param {number} shortest more than zero
 * @param {number} longest more than `shortest`
 * @param {number} width
 */
export function timeScale(shortest, longest, width) {
  const y = (/** @type {number} */ s) => {
    const share = Math.log(Math.max(shortest, s) / shortest) / Math.log(longest / shortest);
    return HEIGHT - PADDING - share * (HEIGHT - 2 * PADDING);
  };
  const lines = LINES.filter(({ s }) => s >= shortest && s <= longest).flatMap(({ s, label }) => [
    svg("line", { x1: LABEL_WIDTH, x2: width, y1: y(s), y2: y(s), class: "grid" }),
    svg("text", { x: 0, y: y(s) + 3.5 }, label),
  ]);
  return { y, lines };
}

/** Return the longest of the named durations that is not longer than this one, in seconds; without any, this one. */
export function namedDuration(/** @type {number} */ duration_s) {
  return LINES.findLast(({ s }) => s <= duration_s)?.s ?? Math.max(0.1, duration_s);
}

/**
 * Draw a dot for a success, a cross for a failure, and a ring for a canceled task.
 *
 * @param {Run} run
 * @param {number} x
 * @param {number} y
 */
function mark({ outcome, title, total }, x, y) {
  const tip = svg("title", {}, `${title}: ${duration(total)}, ${outcome}`);
  if (outcome !== "failed") return svg("circle", { cx: x, cy: y, r: 3, class: outcome }, tip);
  return svg("path", { d: `M${x - 3} ${y - 3}l6 6m0-6l-6 6`, class: outcome }, tip);
}
