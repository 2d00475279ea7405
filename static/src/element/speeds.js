// @ts-check
/** Finds the speeds in the progress bars that a model has printed, as tqdm does: `4/10 [00:02<00:03, 1.42it/s]`. Pure. */

/** @import { Log } from "../../relay.js" */

/** The last speeds are enough for a line that is a few centimeters wide. */
const MOST = 120;

const SPEED = /([\d.]+)\s?(it\/s|s\/it|tok(?:en)?s?\/s|words\/s|fps)\b/g;

/**
 * @param {readonly Log[]} log
 * @returns {{speeds: number[], unit: string}} in order; all of them have the unit of the last one
 */
export function speedsOf(log) {
  const found = log.flatMap(({ text }) => [...text.matchAll(SPEED)]);
  const inverted = (/** @type {string} */ unit) => unit === "s/it"; // slow models print it the other way round
  const unit = found.at(-1)?.[2] ?? "";
  const common = inverted(unit) ? "it/s" : unit;
  const speeds = found
    .filter(([, , each]) => (inverted(each) ? "it/s" : each) === common)
    .map(([, value, each]) => (inverted(each) ? 1 / Number(value) : Number(value)))
    .filter((speed) => Number.isFinite(speed));
  return { speeds: speeds.slice(-MOST).map((speed) => Number(speed.toPrecision(3))), unit: common };
}
