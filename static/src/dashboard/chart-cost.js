// @ts-check
/** The chart of what tasks have cost, added up over time. Dollars and credits have a line each. */

import { svg } from "../board/svg.js";
import { clockTime } from "../element/format.js";
import { HEIGHT } from "./chart-card.js";

/** @import { Content } from "./chart-card.js" */
/** @import { Spending } from "./chart-data.js" */

/**
 * @param {Spending[]} spendings
 * @param {number} count of the tasks that have ended
 * @param {number} now
 * @returns {Content}
 */
export function costContent(spendings, count, now) {
  const billed = spendings.reduce((sum, { points }) => sum + points.length, 0);
  const totals = spendings.map(({ total, unit }) => amountText(total, unit)).join(" + ");
  return {
    caption: count ? `Cost of ${billed} of ${count} tasks` : "Cost",
    figure: totals || "no cost reported",
    description: `Cost added up over time: ${totals || "none reported"}`,
    head: ["Ended", "Cost so far", "Unit"],
    rows: spendings.flatMap(({ points, unit }) =>
      [...points].reverse().map(({ at, sum }) => [clockTime(at, now), amountText(sum, unit), unit]),
    ),
  };
}

/**
 * Draw each unit on its own scale.
 *
 * @param {Spending[]} spendings
 * @param {number} width
 * @returns {Node[]}
 */
export function costShapes(spendings, width) {
  const axis = svg("line", { x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "axis" });
  const shapes = spendings.flatMap(({ points, total, unit }) => {
    const [first, last] = [points[0].at, points[points.length - 1].at];
    const x = (/** @type {number} */ at) => (last > first ? ((at - first) / (last - first)) * width : width);
    const y = (/** @type {number} */ sum) => HEIGHT - 1 - (total ? sum / total : 0) * (HEIGHT - 6);
    const steps = points.map(({ at, sum }) => `H${x(at).toFixed(1)}V${y(sum).toFixed(1)}`).join("");
    const line = svg("path", { d: `M0 ${y(0)}${steps}H${width}`, class: `line ${unit}` });
    const area = svg("path", { d: `M0 ${y(0)}${steps}H${width}V${HEIGHT}H0Z`, class: `area ${unit}` });
    return [area, line];
  });
  return [axis, ...shapes];
}

/** Format an amount: `$1.11`, `12 credits`. Small amounts keep two digits. */
export function amountText(/** @type {number} */ amount, /** @type {"usd"|"credits"} */ unit) {
  const digits = amount > 0 && amount < 0.1 ? Number(amount.toPrecision(2)) : Number(amount.toFixed(2));
  if (unit === "usd") return `$${amount >= 0.1 ? amount.toFixed(2) : digits}`;
  return `${digits.toLocaleString()} ${digits === 1 ? "credit" : "credits"}`;
}
