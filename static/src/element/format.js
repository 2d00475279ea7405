// @ts-check
/** Formats numbers, times and states for people. Pure. */
import { displayedProgress } from "./displayed-progress.js";

/** @import { ConnectionState, Done, Eta, Progress, Snapshot, State } from "../../relay.js" */

/** @type {Record<State, string>} */
export const STATE_LABELS = {
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
export const STAGE_LABELS = {
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

/** @type {Record<ConnectionState, string>} */
export const CONNECTION_LABELS = {
  connecting: "connecting",
  live: "live",
  "catching-up": "catching up",
  polling: "polling",
  offline: "offline",
  ended: "ended",
  refused: "refused",
};

/** Format a duration: `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min`. */
export function duration(/** @type {number} */ seconds) {
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** Format a size: `512 B`, `203 kB`, `4.2 MB`. */
export function fileSize(/** @type {number} */ bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "numeric",
  minute: "2-digit",
});
const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * Format a time in the reader's time zone: `9:38:18 PM` today, `Nov 22, 9:38 PM` on another day of this year, otherwise
 * with the year.
 *
 * @param {number} at unix seconds
 * @param {number} now unix seconds of the same clock
 */
export function clockTime(at, now) {
  const [then, today] = [new Date(at * 1000), new Date(now * 1000)];
  if (then.toDateString() === today.toDateString()) return TIME.format(then);
  return (then.getFullYear() === today.getFullYear() ? DAY_AND_TIME : DATE_AND_TIME).format(then);
}

/** Format an age with a single figure: `now`, `5 s ago`, `3 min ago`, `2 h ago`, `4 d ago`. */
export function ago(/** @type {number} */ seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 5) return "now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  return s < 172_800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86_400)} d ago`;
}

/** Format a date and time in the reader's time zone. */
export function dateAndTime(/** @type {number} */ at) {
  return DATE_AND_TIME.format(at * 1000);
}

/** Format a percentage: `60 %`. Rounds down, so that unfinished work never shows `100 %`. */
export function percentText(/** @type {number} */ percent) {
  return `${Math.floor(percent)} %`;
}

/**
 * Return the label, step and speed of a progress, each as text.
 *
 * @param {Progress} progress
 * @returns {string[]}
 */
export function progressDetails({ label, step, steps, speed, unit }) {
  const details = [];
  if (label) details.push(label);
  if (step !== null) details.push(steps !== null ? `step ${step} of ${steps}` : `step ${step}`);
  if (speed !== null) details.push(`${Number(speed.toPrecision(3))} ${unit ?? "per s"}`);
  return details;
}

/** Format an estimate: `about 12 s left (platform estimate)`, `20 s to 35 s left (based on 14 earlier runs)`. */
export function etaText(/** @type {Eta} */ { low_s, high_s, n, basis }) {
  const [low, high] = [duration(low_s), duration(high_s)];
  const left = low === high ? `about ${low} left` : `${low} to ${high} left`;
  if (basis === "upstream") return `${left} (platform estimate)`;
  return n === null ? left : `${left} (based on ${n} earlier ${n === 1 ? "run" : "runs"})`;
}

/** Format what a task cost: `$0.0035`, `12 credits`, `not billed`, `cost unknown`. */
export function costText(/** @type {Done} */ { cost, billed }) {
  if (billed === false) return "not billed";
  if (cost === null) return billed ? "billed, amount unknown" : "cost unknown";
  if (cost.unit === "usd") return `$${Number(cost.amount.toPrecision(4))}`;
  return `${cost.amount} ${cost.amount === 1 ? "credit" : "credits"}`;
}

/** Return the status for a page title or a list: the percentage while the task runs, otherwise its state. */
export function shortStatus(/** @type {Snapshot} */ task) {
  const { percent } = displayedProgress(task);
  return task.done || percent === null ? STATE_LABELS[task.state] : percentText(percent);
}

function twoDigits(/** @type {number} */ number) {
  return String(number).padStart(2, "0");
}
