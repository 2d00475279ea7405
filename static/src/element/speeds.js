// @ts-check
/** Collects the speeds of a task: as its progress reports them, or from the progress bars in its log. Pure. */

/** @import { Log, Progress } from "../../relay.js" */
/** @typedef {{speeds: number[], unit: string}} Speeds in order; all of them have the same unit */

/** The last speeds are enough for a line that is a few centimeters wide. */
const MOST = 120;

const SPEED = /([\d.]+)\s?(it\/s|s\/it|tok(?:en)?s?\/s|words\/s|fps)\b/g;

/** The speeds that the progress has reported since the view was opened. */
export class LiveSpeeds {
  /** @type {Speeds} */
  speeds = { speeds: [], unit: "" };
  /** @type {Progress|null} */
  #last = null;

  /** Add the speed of a progress, and return whether it is new. */
  add(/** @type {Progress|null} */ progress) {
    if (progress === this.#last) return false;
    this.#last = progress;
    if (progress?.speed == null) return false;
    const unit = progress.unit ?? "";
    const before = unit === this.speeds.unit ? this.speeds.speeds : [];
    this.speeds = { speeds: [...before, Number(progress.speed.toPrecision(3))].slice(-MOST), unit };
    return true;
  }
}

/**
 * Find the speeds in the progress bars that a model has printed, as tqdm does: `4/10 [00:02<00:03, 1.42it/s]`. If the
 * units differ, those with the last one count.
 *
 * @param {readonly Log[]} log
 * @returns {Speeds}
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
