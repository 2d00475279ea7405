// @ts-check
/** What the charts of a model say and show, with a row or a mark for each day. */

import { svg } from "../board/svg.js";
import { duration } from "../element/format.js";
import { HEIGHT } from "./chart-card.js";
import { amountText } from "./chart-cost.js";
import { GAP, WIDEST } from "./chart-throughput.js";
import { LABEL_WIDTH, namedDuration, timeScale } from "./chart-times.js";
import { costOn } from "./stats-days.js";
import { costsText, dayText, quantilesText, shareText, tasksText } from "./stats-text.js";

/** @import { Content } from "./chart-card.js" */
/** @import { Day } from "./stats-days.js" */
/** @import { Quantiles, Summary, UnitCost } from "./stats.js" */

/**
 * @param {Summary} summary
 * @param {Day[]} days
 * @returns {Content}
 */
export function resultsContent({ count, success_rate, verdicts }, days) {
  const { succeeded, failed, canceled, lost } = verdicts;
  return {
    caption: `Results of ${tasksText(count)}`,
    figure: success_rate === null ? "all canceled" : `${shareText(success_rate)} succeeded`,
    description: `Tasks ended per day: ${succeeded} succeeded, ${failed + lost} failed, ${canceled} canceled`,
    head: ["Day", "Succeeded", "Failed", "Canceled", "Success rate"],
    rows: withTasks(days, ({ verdicts, success_rate }) => {
      const counts = [verdicts.succeeded, verdicts.failed + verdicts.lost, verdicts.canceled];
      return [...counts.map(String), shareText(success_rate)];
    }),
  };
}

/**
 * @param {string} caption
 * @param {Quantiles|null} times of the whole period
 * @param {Day[]} days
 * @param {"queue"|"run"} measure
 * @returns {Content}
 */
export function timesContent(caption, times, days, measure) {
  const figure = times ? quantilesText(times) : "no times yet";
  const whole = times ? `p50 ${duration(times.p50_s)}, p90 ${duration(times.p90_s)}` : figure;
  return {
    caption: `${caption}, p50 · p90`,
    figure,
    description: `${caption} per day; whole period: ${whole}`,
    head: ["Day", "p50", "p90", "Tasks"],
    rows: withTasks(days, (summary) => {
      const found = summary[measure];
      return found ? [duration(found.p50_s), duration(found.p90_s), String(found.samples)] : ["–", "–", "0"];
    }),
  };
}

/**
 * @param {Summary} summary
 * @param {Day[]} days
 * @returns {Content}
 */
export function costContent({ cost }, days) {
  const total = costsText(cost);
  const typical = cost.map(({ p50, unit }) => (p50 === null ? "" : amountText(p50, unit))).filter(Boolean);
  return {
    caption: typical.length ? `Cost, ${typical.join(" or ")} for a typical task` : "Cost",
    figure: total || "no cost reported",
    description: `Cost per day: ${total || "none reported"} in all`,
    head: ["Day", ...cost.map(({ unit }) => (unit === "usd" ? "Dollars" : "Credits"))],
    rows: withTasks(days, (summary) => cost.map(({ unit }) => amountText(costOn(summary, unit), unit))),
  };
}

/**
 * Draw a line from p50 to p90 for each day, with a dot at p50 and a bar at p90, on a logarithmic scale.
 *
 * @param {{at: number, times: Quantiles|null}[]} days
 * @param {number} width
 * @returns {Node[]}
 */
export function timesShapes(days, width) {
  if (days.every(({ times }) => times === null)) return [];
  const known = days.flatMap(({ times }) => (times ? [times.p50_s, times.p90_s] : []));
  const shortest = namedDuration(Math.min(...known));
  const { y, lines } = timeScale(shortest, Math.max(1.5 * shortest, ...known), width);
  const step = (width - LABEL_WIDTH) / Math.max(1, days.length);
  const half = Math.max(1, Math.min(5, step / 2 - 1));
  const marks = days.flatMap(({ at, times }, index) => {
    if (!times) return [];
    const x = LABEL_WIDTH + (index + 0.5) * step;
    const [low, high] = [y(times.p50_s), y(times.p90_s)];
    const tip = `${dayText(at)}: p50 ${duration(times.p50_s)}, p90 ${duration(times.p90_s)}`;
    return [
      svg("path", { d: `M${x} ${low}V${high}M${x - half} ${high}H${x + half}`, class: "spread" }),
      svg("circle", { cx: x, cy: low, r: Math.min(3, half + 0.5), class: "middle" }, svg("title", {}, tip)),
    ];
  });
  const axis = svg("line", { x1: LABEL_WIDTH, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "axis" });
  return [...lines, axis, ...marks];
}

/**
 * Draw a bar for each day and unit; each unit has its own scale.
 *
 * @param {Day[]} days
 * @param {UnitCost[]} costs of the whole period
 * @param {number} width
 * @returns {Node[]}
 */
export function costShapes(days, costs, width) {
  const step = width / Math.max(1, days.length);
  const bar = Math.max(1, Math.min(WIDEST, (step - GAP) / Math.max(1, costs.length)));
  const bars = costs.flatMap(({ unit }, index) => {
    const amounts = days.map(({ summary }) => costOn(summary, unit));
    const highest = Math.max(...amounts) || 1;
    return amounts.flatMap((amount, day) => {
      if (!amount) return [];
      const height = Math.max(1, (amount / highest) * (HEIGHT - 4));
      const x = (day + 0.5) * step + (index - costs.length / 2) * bar;
      const tip = svg("title", {}, `${dayText(days[day].at)}: ${amountText(amount, unit)}`);
      return [svg("rect", { x, y: HEIGHT - 1 - height, width: bar, height, class: `amount ${unit}` }, tip)];
    });
  });
  return [svg("line", { x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "axis" }), ...bars];
}

/**
 * Return a row for each day on which tasks ended, newest first.
 *
 * @param {Day[]} days
 * @param {(summary: Summary) => string[]} cells
 */
function withTasks(days, cells) {
  return [...days].reverse().flatMap(({ at, summary }) => (summary ? [[dayText(at), ...cells(summary)]] : []));
}
