// @ts-check
/** Formats statistics for people. Pure. */
import { duration } from "../element/format.js";
import { amountText } from "./chart-cost.js";

/** @import { Quantiles, UnitCost } from "./stats.js" */

const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

/** Format the day that begins at a time, in UTC: `Nov 26`. */
export function dayText(/** @type {number} */ at) {
  return DAY.format(at * 1000);
}

/** Format a share: `92 %`. Only a whole is `100 %`. */
export function shareText(/** @type {number|null} */ share) {
  return share === null ? "–" : `${Math.floor(share * 100)} %`;
}

/** Format half of the tasks and nine of ten: `12 s · 20 s`. */
export function quantilesText(/** @type {Quantiles|null} */ times) {
  return times ? `${duration(times.p50_s)} · ${duration(times.p90_s)}` : "–";
}

/** Format amounts in several units: `$1.11 + 12 credits`. */
export function costsText(/** @type {Pick<UnitCost, "unit"|"total">[]} */ costs) {
  return costs.map(({ unit, total }) => amountText(total, unit)).join(" + ");
}

/** Format a number of tasks: `1 task`, `1,204 tasks`. */
export function tasksText(/** @type {number} */ count) {
  return count === 1 ? "1 task" : `${count.toLocaleString()} tasks`;
}
