// @ts-check
/** Says how long the whole task still needs. Pure. */
import { duration } from "./format.js";
import { stallOf } from "./stall.js";
import { say } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */

/** A range whose upper end is at most this many times its lower end, or this many seconds above it, is one number. */
const NARROW = 1.3;
const NARROW_S = 3;

/**
 * Return the remaining time as text: `about 25 s left`, `40 s to 1 min 35 s left`, `up to 12 s left`, `longer than
 * usual`. It is empty if there is no estimate, or the task is stalled or done.
 *
 * @param {Pick<Snapshot, "eta"|"state"|"stall"|"done">} task
 * @param {number} now the relay's clock
 */
export function timeLeft(task, now) {
  const { eta, done } = task;
  if (!eta || done || stallOf(task)) return "";
  const passed_s = Math.max(0, now - eta.at);
  const [low_s, high_s] = [eta.p50_s - passed_s, eta.p90_s - passed_s];
  if (high_s < 0) return eta.basis === "platform" ? "" : say("eta.overdue");
  if (low_s < 1) return say("eta.up_to", { time: whole(Math.max(1, high_s)) });
  if (high_s <= low_s * NARROW || high_s <= low_s + NARROW_S) return say("eta.about", { time: whole(low_s) });
  const [low, high] = [whole(low_s), whole(high_s)];
  return say("eta.range", { low, high });
}

/**
 * Return the remaining time with what it is based on: `about 25 s left (based on 14 earlier runs)`.
 *
 * @param {Pick<Snapshot, "eta">} task
 * @param {string} left what `timeLeft` returned
 */
export function timeLeftWithBasis({ eta }, left) {
  if (!eta || !left) return "";
  return eta.basis === "platform" ? say("eta.platform", { left }) : say("eta.history", { left, count: eta.samples });
}

/** Format an estimate, which is not precise to a tenth of a second. */
function whole(/** @type {number} */ seconds) {
  const s = Math.round(seconds);
  return s < 10 ? say("time.seconds", { s }) : duration(s);
}
