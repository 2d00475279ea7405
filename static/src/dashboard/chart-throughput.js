// @ts-check
/** The chart of how many tasks ended when, stacked by how: failed ones are hatched as well as red. */

import { svg } from "../board/svg.js";
import { clockTime } from "../element/format.js";
import { HEIGHT } from "./chart-card.js";
import { OUTCOMES } from "./chart-data.js";
import { roundDuration } from "./headline.js";

/** @import { Content } from "./chart-card.js" */
/** @import { Bucket } from "./chart-data.js" */

export const GAP = 2;
/** Wider bars look like blocks. */
export const WIDEST = 20;

/**
 * @param {{width_s: number, buckets: Bucket[]}} throughput
 * @param {number} now
 * @returns {Content}
 */
export function throughputContent({ width_s, buckets }, now) {
  const total = { succeeded: 0, failed: 0, canceled: 0 };
  for (const bucket of buckets) for (const outcome of OUTCOMES) total[outcome] += bucket[outcome];
  const all = total.succeeded + total.failed + total.canceled;
  const share = all ? `${Math.round((100 * total.succeeded) / all)} % succeeded` : "no results yet";
  return {
    caption: buckets.length ? `Last ${all}, since ${clockTime(buckets[0].at, now)}` : "Results",
    figure: share,
    description: `Tasks ended per ${roundDuration(width_s)}: ${OUTCOMES.map((name) => `${total[name]} ${name}`).join(", ")}`,
    head: ["From", "Succeeded", "Failed", "Canceled"],
    rows: buckets
      .filter((bucket) => OUTCOMES.some((outcome) => bucket[outcome]))
      .map((bucket) => [clockTime(bucket.at, now), ...OUTCOMES.map((outcome) => String(bucket[outcome]))]),
  };
}

/**
 * @param {Bucket[]} buckets
 * @param {number} width
 * @returns {Node[]}
 */
export function throughputShapes(buckets, width) {
  const highest = Math.max(1, ...buckets.map((bucket) => sumOf(bucket)));
  const step = width / Math.max(1, buckets.length);
  const bar = Math.max(1, Math.min(WIDEST, step - GAP));
  const shapes = buckets.flatMap((bucket, index) => {
    let top = HEIGHT - 1;
    return OUTCOMES.filter((outcome) => bucket[outcome]).map((outcome) => {
      const height = (bucket[outcome] / highest) * (HEIGHT - 4);
      top -= height;
      const x = (index + 0.5) * step - bar / 2;
      return svg("rect", { x, y: top, width: bar, height: Math.max(1, height - 1), class: outcome });
    });
  });
  return [svg("line", { x1: 0, x2: width, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "axis" }), ...shapes];
}

function sumOf(/** @type {Bucket} */ bucket) {
  return OUTCOMES.reduce((sum, outcome) => sum + bucket[outcome], 0);
}
