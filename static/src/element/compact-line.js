// @ts-check
/** What the compact form of <relay-task> says, in one line. Pure. */
import { displayedProgress } from "./displayed-progress.js";
import { costText, duration, percentText, STATE_LABELS } from "./format.js";
import { linkEnd } from "./link-end.js";
import { silence_s, stallOf } from "./stall.js";
import { timeLeft } from "./time-left.js";
import { say } from "./words.js";

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
    const label = say(isEnded ? "compact.link_ended" : isPast ? "lost.refused" : "compact.loading");
    return { percent: null, label, rest: isPast && !isEnded ? reason : "", isPast };
  }
  const { percent } = displayedProgress(state);
  const line = { percent, label: STATE_LABELS[state.state], rest: remaining(state, now), isPast };
  if (isEnded) return { ...line, rest: say("compact.link_ended") };
  if (offlineSince === null || now - (offlineSince + clockOffset_s) < LOST_AFTER_S) return line;
  const left_s = retryAt === null ? 0 : Math.ceil(retryAt + clockOffset_s - now);
  return { ...line, rest: left_s > 0 ? say("lost.retry_in", { s: left_s }) : say("lost.retrying") };
}

/**
 * @param {Snapshot} state
 * @param {number} now
 */
function remaining(state, now) {
  const { done, hold, created_at, ended_at } = state;
  if (done?.verdict === "succeeded") return `${duration((ended_at ?? now) - created_at)} · ${costText(done)}`;
  if (done) return done.error?.message ?? "";
  if (hold) return say(hold.position > 0 ? "compact.position" : "compact.next", { position: hold.position });
  const stall = stallOf(state);
  if (stall)
    return say(stall === "quiet" ? "compact.quiet" : "compact.stuck", { time: duration(silence_s(state, now)) });
  return timeLeft(state, now) || duration(now - created_at);
}

/** Return the line as text: `57 % Generating · about 25 s left`. */
export function lineText(/** @type {CompactLine} */ { percent, label, rest }, isDone = false) {
  const figure = percent === null || isDone ? "" : `${percentText(percent)} `;
  return `${figure}${label}${rest ? ` · ${rest}` : ""}`;
}
