// @ts-check
/** Formats numbers, times and states for people. Pure. */
import { displayedProgress } from "./displayed-progress.js";
import { labels, say } from "./words.js";

/** @import { ConnectionState, Done, Progress, Snapshot, State } from "../../relay.js" */

/** @type {Readonly<Record<State, string>>} */
export const STATE_LABELS = labels("state");

/** @type {Readonly<Record<ConnectionState, string>>} */
export const CONNECTION_LABELS = labels("connection");

/** Format a duration: `0.4 s`, `12 s`, `3 min 05 s`, `1 h 02 min`. */
export function duration(/** @type {number} */ seconds) {
  const s = Math.max(0, seconds);
  if (s < 9.95) return say("time.seconds", { s: s.toFixed(1) });
  const whole = Math.round(s);
  if (whole < 60) return say("time.seconds", { s: whole });
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return say("time.minutes", { min: minutes, s: twoDigits(whole % 60) });
  return say("time.hours", { h: Math.floor(minutes / 60), min: twoDigits(minutes % 60) });
}

/** Format a size: `512 B`, `203 kB`, `4.2 MB`. */
export function fileSize(/** @type {number} */ bytes) {
  if (bytes < 1000) return say("size.bytes", { n: bytes });
  if (bytes < 1e6) return say("size.kilobytes", { n: Math.round(bytes / 1000) });
  return say("size.megabytes", { n: (bytes / 1e6).toFixed(1) });
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
  if (s < 5) return say("ago.now");
  if (s < 60) return say("ago.seconds", { n: s });
  if (s < 3600) return say("ago.minutes", { n: Math.floor(s / 60) });
  return s < 172_800 ? say("ago.hours", { n: Math.floor(s / 3600) }) : say("ago.days", { n: Math.floor(s / 86_400) });
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
  if (step !== null)
    details.push(steps !== null ? say("progress.step_of", { step, steps }) : say("progress.step", { step }));
  if (speed !== null) {
    const rounded = Number(speed.toPrecision(3));
    details.push(unit === null ? say("progress.speed", { speed: rounded }) : `${rounded} ${unit}`);
  }
  return details;
}

/** Format what a task cost: `$0.0035`, `12 credits`, `not billed`, `cost unknown`. */
export function costText(/** @type {Done} */ { cost, billed }) {
  if (billed === false) return say("cost.not_billed");
  if (cost === null) return say(billed ? "cost.billed" : "cost.unknown");
  if (cost.unit === "usd") return say("cost.usd", { amount: Number(cost.amount.toPrecision(4)) });
  return say("cost.credits", { count: cost.amount });
}

/** Return the status for a page title or a list: the percentage while the task runs, otherwise its state. */
export function shortStatus(/** @type {Snapshot} */ task) {
  const { percent } = displayedProgress(task);
  return task.done || percent === null ? STATE_LABELS[task.state] : percentText(percent);
}

function twoDigits(/** @type {number} */ number) {
  return String(number).padStart(2, "0");
}
