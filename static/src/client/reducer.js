// @ts-check
/**
 * The state of a task as the fold of its messages: `state = reduce(state, message)`.
 *
 * relay/core/snapshot.py has the same fold; both pass tests/vectors/. Pure: it never modifies its arguments, and returns
 * the same object if a message changes nothing. Text is measured in UTF-16 units, as `length` does.
 */

/** @import { Append, EventData, Log, Message, RelayEvent, Segment, Snapshot, StageMark } from "../../relay.js" */

/** How much log a snapshot keeps, in UTF-16 units over both streams. */
export const LOG_UNITS = 32_768;

/** The platform's stages, in order. */
export const STAGES = [
  "queue",
  "accept",
  "preprocess_start",
  "preprocess_end",
  "assign",
  "start",
  "end",
  "postprocess_start",
  "postprocess_end",
];

/**
 * Return the state after `message`.
 *
 * @param {Snapshot|null} state null before the first message
 * @param {Message} message a message of any wire; one of an unknown type changes nothing
 * @param {string} [epoch] for a fold that starts at `submit`, since events carry no epoch
 * @returns {Snapshot|null}
 */
export function reduce(state, message, epoch = "") {
  if (message.type === "snapshot") return message.task;
  if (!isEvent(message)) return state;
  if (state === null) return message.type === "submit" && message.seq === 1 ? begin(message, epoch) : null;
  return message.seq === state.seq + 1 ? apply(state, message) : state;
}

/**
 * Return whether a message is an entry of the task's log.
 *
 * @param {Message} message
 * @returns {message is RelayEvent}
 */
export function isEvent(message) {
  return EVENT_TYPES.has(message.type);
}

/** @type {ReadonlySet<string>} */
const EVENT_TYPES = new Set([
  ...STAGES,
  "submit",
  "hold",
  "submitted",
  "output",
  "cancel",
  "stall",
  "stall_end",
  "done",
]);

/**
 * @param {RelayEvent & {type: "submit"}} event
 * @param {string} epoch
 * @returns {Snapshot}
 */
function begin(event, epoch) {
  return {
    id: event.task,
    provider: event.data.provider,
    model: event.data.model,
    tags: event.data.tags,
    title: event.data.title ?? null,
    upstream_id: null,
    state: event.state,
    epoch,
    seq: 1,
    created_at: event.at,
    updated_at: event.at,
    ended_at: null,
    stages: [],
    progress: null,
    log: [],
    log_dropped: 0,
    segments: [],
    outputs: [],
    hold: null,
    cancel: null,
    stall: null,
    done: null,
    eta: event.eta ?? null,
  };
}

/**
 * @param {Snapshot} snapshot
 * @param {RelayEvent} event
 * @returns {Snapshot}
 */
function apply(snapshot, event) {
  const state = {
    ...snapshot,
    seq: event.seq,
    state: event.state,
    updated_at: Math.max(snapshot.updated_at, event.at),
    eta: event.eta ?? snapshot.eta ?? null,
    hold: event.state === "held" ? snapshot.hold : null,
  };
  switch (event.type) {
    case "submit":
      return state;
    case "hold":
      return { ...state, hold: event.data };
    case "submitted":
      return { ...state, upstream_id: event.data.upstream_id };
    case "output":
      return withOutput(state, event.data);
    case "postprocess_end":
      return { ...state, stages: withStage(state.stages, event), outputs: event.data.outputs };
    case "cancel":
      return { ...state, cancel: event.data };
    case "stall":
      return { ...state, stall: event.data };
    case "stall_end":
      return { ...state, stall: null };
    case "done":
      return { ...state, done: event.data, ended_at: event.at, stall: null, eta: null };
    default:
      return { ...state, stages: withStage(state.stages, event) };
  }
}

/**
 * @param {Snapshot} state
 * @param {EventData["output"]} data
 * @returns {Snapshot}
 */
function withOutput(state, data) {
  if ("progress" in data) return { ...state, progress: data.progress };
  if ("log" in data) {
    const { before, ...added } = data.log;
    const whole = before === undefined ? withLog(state.log, added) : withLateLog(state.log, added, before);
    const { entries, dropped } = cutLog(whole);
    return { ...state, log: entries, log_dropped: state.log_dropped + dropped };
  }
  if ("append" in data) return { ...state, segments: withAppend(state.segments, data.append) };
  return "outputs" in data ? { ...state, outputs: data.outputs } : state;
}

/**
 * Insert a stage in the platform's order, however late it was learnt.
 *
 * @param {StageMark[]} stages
 * @param {RelayEvent} event
 */
function withStage(stages, event) {
  const mark = { type: event.type, at: event.at, source: event.source };
  return [...stages, mark].sort((one, other) => STAGES.indexOf(one.type) - STAGES.indexOf(other.type));
}

/**
 * Append to the log. Consecutive text of one stream is merged.
 *
 * @param {Log[]} log
 * @param {Log} added
 * @returns {Log[]}
 */
function withLog(log, added) {
  const last = log[log.length - 1];
  if (last?.stream !== added.stream) return [...log, added];
  return [...log.slice(0, -1), { stream: last.stream, text: last.text + added.text }];
}

/**
 * Insert text that was learnt late. If its position has been cut off, it goes to the front.
 *
 * @param {Log[]} log
 * @param {Log} late
 * @param {number} before how many UTF-16 units of its stream come after it
 * @returns {Log[]}
 */
function withLateLog(log, { stream, text: late }, before) {
  let left = before;
  for (let index = log.length - 1; index >= 0; index -= 1) {
    const { text } = log[index];
    if (log[index].stream !== stream) continue;
    if (text.length >= left) {
      const at = text.length - left;
      const cut = splitsPair(text, at) ? at - 1 : at;
      const grown = { stream, text: text.slice(0, cut) + late + text.slice(cut) };
      return [...log.slice(0, index), grown, ...log.slice(index + 1)];
    }
    left -= text.length;
  }
  if (log[0]?.stream === stream) return [{ stream, text: late + log[0].text }, ...log.slice(1)];
  return [{ stream, text: late }, ...log];
}

/**
 * Cut the log from the front to the size that a snapshot keeps, whole entries first.
 *
 * @param {Log[]} log modified in place
 * @returns {{entries: Log[], dropped: number}} `dropped` in UTF-16 units
 */
function cutLog(log) {
  const entries = log;
  let excess = entries.reduce((units, entry) => units + entry.text.length, 0) - LOG_UNITS;
  let dropped = 0;
  while (excess > 0) {
    const { stream, text } = entries[0];
    let units = text.length;
    if (units <= excess) {
      entries.shift();
    } else {
      units = splitsPair(text, excess) ? excess + 1 : excess; // never split a surrogate pair: drop the whole character
      entries[0] = { stream, text: text.slice(units) };
    }
    dropped += units;
    excess -= units;
  }
  return { entries, dropped };
}

/**
 * Replace the text of a segment from the offset on. Skipped segments are left empty.
 *
 * @param {Segment[]} segments
 * @param {Append} append
 */
function withAppend(segments, { segment, kind, offset, text }) {
  const grown = [...segments];
  while (grown.length <= segment) grown.push({ kind, text: "" });
  const before = grown[segment].text;
  const kept = before.slice(0, splitsPair(before, offset) ? offset - 1 : offset);
  grown[segment] = { kind, text: kept + text };
  return grown;
}

/**
 * Return whether a cut after `units` would split a surrogate pair.
 *
 * @param {string} text
 * @param {number} units
 */
function splitsPair(text, units) {
  const next = text.charCodeAt(units);
  return next >= 0xdc00 && next <= 0xdfff;
}
