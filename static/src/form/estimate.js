// @ts-check
/** Formats what a start will probably cost and how long it will take. Pure. */
import { duration } from "../element/format.js";

/** @import { Usual } from "./model.js" */

/**
 * Return a short text such as `about $0.03, 9 s`; empty if nothing is known.
 *
 * @param {Usual|null|undefined} usual
 */
export function estimateText(usual) {
  if (!usual) return "";
  const { cost, p50_s } = usual;
  return `about ${[cost ? amount(cost.p50, cost.unit) : "", duration(p50_s)].filter(Boolean).join(", ")}`;
}

/** Return what the estimate is based on; empty if nothing is known. */
export function estimateBasis(/** @type {Usual|null|undefined} */ usual) {
  if (!usual) return "";
  const { samples, p90_s, cost } = usual;
  const most = [duration(p90_s), ...(cost ? [amount(cost.p90, cost.unit)] : [])].join(" and ");
  return `Based on ${samples} earlier ${samples === 1 ? "run" : "runs"}. Nine of ten needed at most ${most}.`;
}

/**
 * @param {number} value
 * @param {string} unit
 */
function amount(value, unit) {
  if (unit === "usd") return `$${Number(value.toPrecision(2))}`;
  const rounded = Number(value.toPrecision(2));
  return `${rounded} ${rounded === 1 ? "credit" : "credits"}`;
}
