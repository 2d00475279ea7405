// @ts-check
/** What the compact form of <relay-task> says, in one line. Pure. */
import { displayedProgress } from "./displayed-progress.js";
import { costText, duration, percentText, STATE_LABELS } from "./format.js";
import { linkEnd } from "./link-end.js";
import { silence_s, stallOf } from "./stall.js";
import { timeLeft } from "./time-left.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { ViewUpdate } from "./task-view.js" */

/**
 * @typedef {object} CompactLine
 * @property {number|null} percent null if it is unknown
 * @property {string} label such as `Generating`
 * @property {string} rest such as `about 25 s left`; may be empty
 * @property {boolean} isPast whether it no longer changes although the task may
 */

/** A shorter loss of connection is not mentioned. */
const LOST_AFTER_S = 2;

/**
 * @param {ViewUpdate} update
 * @param {number} now the relay's clock
 * @param {string} token
 * @returns {CompactLine}
 */
export function compactLine(update, now, token) {
  const { state, connection, reason, offlineSince, retryAt, clockOffset_s } = update;
  const isEnded = linkEnd(update, token, now) !== null;
  const isPast = connection === "refused";
  if (!state) {
    const label = isEnded ? "This link has ended" : isPast ? "This task cannot be shown" : "Loading…";
    return { percent: null, label, rest: isPast && !isEnded ? reason : "", isPast };
  }
  const { percent } = displayedProgress(state);
  const line = { percent, label: STATE_LABELS[state.state], rest: remaining(state, now), isPast };
  if (isEnded) return { ...line, rest: "this link has ended" };
  if (offlineSince === null || now - (offlineSince + clockOffset_s) < LOST_AFTER_S) return line;
  const left_s = retryAt === null ? 0 : Math.ceil(retryAt + clockOffset_s - now);
  return { ...line, rest: left_s > 0 ? `reconnecting in ${left_s} s` : "reconnecting…" };
}

/**
 * @param {Snapshot} state
 * @param {number} now
 */
function remaining(state, now) {
  const { done, hold, created_at, ended_at } = state;
  if (done?.verdict === "succeeded") return `${duration((ended_at ?? now) - created_at)} · ${costText(done)}`;
  if (done) return done.error?.message ?? "";
  if (hold) return hold.position > 0 ? `position ${hold.position} in the queue` : "about to be submitted";
  const stall = stallOf(state);
  if (stall) return `${stall === "quiet" ? "no updates" : "stuck"} for ${duration(silence_s(state, now))}`;
  return timeLeft(state, now) || duration(now - created_at);
}

/** Return the line as text: `57 % Generating · about 25 s left`. */
export function lineText(/** @type {CompactLine} */ { percent, label, rest }, isDone = false) {
  const figure = percent === null || isDone ? "" : `${percentText(percent)} `;
  return `${figure}${label}${rest ? ` · ${rest}` : ""}`;
}
