// @ts-check
/** Numbers, times and states in words. Pure; no DOM. */
import { drawnProgress } from "./displayed-progress.js";

/** @type {Record<import("../client/types.js").State, string>} */
export const STATE_WORDS = {
  submitting: "Submitting",
  held: "Waiting",
  queued: "Queued",
  preparing: "Preparing",
  running: "Generating",
  finishing: "Finishing",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Canceled",
  lost: "Lost",
};

/** @type {Record<string, string>} */
export const STAGE_WORDS = {
  queue: "Queued",
  accept: "Accepted",
  preprocess_start: "Preparing inputs",
  preprocess_end: "Inputs ready",
  assign: "Worker assigned",
  start: "Generating",
  end: "Generated",
  postprocess_start: "Storing results",
  postprocess_end: "Results ready",
};

/** @type {Record<string, string>} */
export const CONNECTION_WORDS = {
  connecting: "connecting",
  live: "live",
  "catching-up": "catching up",
  polling: "polling",
  offline: "offline",
  ended: "ended",
  refused: "refused",
};

/** `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min` */
export function duration(/** @type {number} */ seconds) {
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** `512 B`, `203 kB`, `4.2 MB` */
export function fileSize(/** @type {number} */ bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY_AND_CLOCK = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "numeric",
  minute: "2-digit",
});
const DATE_AND_CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * A time in the reader's time zone: `9:38:18 PM` today, `Nov 22, 9:38 PM` on another day, with the year in another year.
 *
 * @param {number} at
 * @param {number} now of the same clock
 */
export function clockTime(at, now) {
  const [then, today] = [new Date(at * 1000), new Date(now * 1000)];
  if (then.toDateString() === today.toDateString()) return CLOCK.format(then);
  return (then.getFullYear() === today.getFullYear() ? DAY_AND_CLOCK : DATE_AND_CLOCK).format(then);
}

/** `now`, `5 s ago`, `3 min ago`, `2 h ago`, `4 d ago`: one figure, for a list that is scanned and not read. */
export function ago(/** @type {number} */ seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 5) return "now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  return s < 172_800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86_400)} d ago`;
}

/** Date and clock time, for what may be older than a day. */
export function dateAndTime(/** @type {number} */ at) {
  return DATE_AND_CLOCK.format(at * 1000);
}

/** `60 %`, and never `100 %` of what is not all done. */
export function percentText(/** @type {number} */ percent) {
  return `${Math.floor(percent)} %`;
}

/**
 * What is known of the progress beside the percent: label, step, speed.
 *
 * @param {import("../client/types.js").Progress} progress
 * @returns {string[]}
 */
export function progressWords({ label, step, steps, speed, unit }) {
  const words = [];
  if (label) words.push(label);
  if (step !== null) words.push(steps !== null ? `step ${step} of ${steps}` : `step ${step}`);
  if (speed !== null) words.push(`${Number(speed.toPrecision(3))} ${unit ?? "per s"}`);
  return words;
}

/** `about 12 s left, says the platform`, `20 s to 35 s left, from 14 earlier runs` */
export function etaWords(/** @type {import("../client/types.js").Eta} */ { low_s, high_s, n, basis }) {
  const [low, high] = [duration(low_s), duration(high_s)];
  const left = low === high ? `about ${low} left` : `${low} to ${high} left`;
  if (basis === "upstream") return `${left}, says the platform`;
  return n === null ? left : `${left}, from ${n} earlier ${n === 1 ? "run" : "runs"}`;
}

/** `$0.0035`, `12 credits`; or that nothing was billed, or that nobody said. */
export function costWords(/** @type {import("../client/types.js").Done} */ { cost, billed }) {
  if (billed === false) return "not billed";
  if (cost === null) return billed ? "billed, the amount is not known" : "cost not known";
  if (cost.unit === "usd") return `$${Number(cost.amount.toPrecision(4))}`;
  return `${cost.amount} ${cost.amount === 1 ? "credit" : "credits"}`;
}

/** The last word or two of a page's title and of a row: percent while it runs, else the state. */
export function shortStatus(/** @type {import("../client/types.js").Snapshot} */ task) {
  const { percent } = drawnProgress(task);
  return task.done || percent === null ? STATE_WORDS[task.state] : percentText(percent);
}

function twoDigits(/** @type {number} */ number) {
  return String(number).padStart(2, "0");
}
