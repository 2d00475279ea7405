// @ts-check
/**
 * The state of a task as the fold of its messages: `state = reduce(state, message)`.
 *
 * The same fold stands in relay/core/snapshot.py; both pass tests/vectors/. Pure: it never changes what it is given,
 * and gives the same object back when a message changes nothing. Texts are counted in UTF-16 units, which is what
 * `length` counts.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").RelayEvent} RelayEvent
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Log} Log
 */

/** How much log a snapshot keeps, in UTF-16 units over both streams. */
export const LOG_UNITS = 32_768;

/** The upstream's stages, in its order. */
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
 * @param {Message} message any message of either wire; one of an unknown type changes nothing
 * @param {string} [epoch] only for a fold that begins with `submit` itself: no event carries its epoch
 * @returns {Snapshot|null}
 */
export function reduce(state, message, epoch = "") {
  if (message.type === "snapshot") return /** @type {import("./types.js").SnapshotMessage} */ (message).task;
  if (!isEvent(message)) return state;
  if (state === null) return message.type === "submit" && message.seq === 1 ? begin(message, epoch) : null;
  return message.seq === state.seq + 1 ? apply(state, message) : state;
}

/**
 * Does `message` come from a place in the log that `state` has not reached? Then only the whole state helps.
 *
 * @param {Snapshot|null} state
 * @param {Message} message
 */
export function leavesGap(state, message) {
  const seq = state?.seq ?? 0;
  if (message.type === "resumed") return /** @type {import("./types.js").ResumedMessage} */ (message).seq !== seq;
  return isEvent(message) && message.seq > seq + 1;
}

/**
 * Tell an entry of the log from the messages around it.
 *
 * @param {Message} message
 * @returns {message is RelayEvent}
 */
export function isEvent(message) {
  return EVENT_TYPES.has(message.type);
}

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
 * @param {RelayEvent} event
 * @param {string} epoch
 * @returns {Snapshot}
 */
function begin(event, epoch) {
  return {
    id: event.task,
    provider: event.data.provider,
    model: event.data.model,
    tags: event.data.tags,
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
    hold: event.state === "held" ? snapshot.hold : null,
  };
  const { data } = event;
  switch (event.type) {
    case "submit":
      return state;
    case "hold":
      return { ...state, hold: data };
    case "submitted":
      return { ...state, upstream_id: data.upstream_id };
    case "output":
      return withOutput(state, data);
    case "postprocess_end":
      return { ...state, stages: withStage(state.stages, event), outputs: data.outputs };
    case "cancel":
      return { ...state, cancel: data };
    case "stall":
      return { ...state, stall: data };
    case "stall_end":
      return { ...state, stall: null };
    case "done":
      return { ...state, done: data, ended_at: event.at, stall: null };
    default:
      return { ...state, stages: withStage(state.stages, event) };
  }
}

/**
 * @param {Snapshot} state
 * @param {any} data one of progress, log, append, outputs
 * @returns {Snapshot}
 */
function withOutput(state, data) {
  if (data.progress) return { ...state, progress: data.progress };
  if (data.log) {
    const whole = data.log.before === undefined ? withLog(state.log, data.log) : withLateLog(state.log, data.log);
    const { entries, dropped } = cutLog(whole);
    return { ...state, log: entries, log_dropped: state.log_dropped + dropped };
  }
  if (data.append) return { ...state, segments: withAppend(state.segments, data.append) };
  return data.outputs ? { ...state, outputs: data.outputs } : state;
}

/**
 * Put the stage where the upstream's order wants it, however late it was learnt.
 *
 * @param {import("./types.js").StageMark[]} stages
 * @param {RelayEvent} event
 */
function withStage(stages, event) {
  const mark = { type: event.type, at: event.at, source: event.source };
  return [...stages, mark].sort((one, other) => STAGES.indexOf(one.type) - STAGES.indexOf(other.type));
}

/**
 * Add to the log, merging neighbours of one stream.
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
 * Insert text that was learnt late; where its place has been cut off already, it goes before everything.
 *
 * @param {Log[]} log
 * @param {Log & {before: number}} late `before`: how many units of its stream come after it
 * @returns {Log[]}
 */
function withLateLog(log, { stream, text: late, before }) {
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
 * Cut the log from the front to what a snapshot keeps, whole entries first.
 *
 * @param {Log[]} log a copy of its own
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
      units = splitsPair(text, excess) ? excess + 1 : excess; // the cut fell inside a pair: the whole character goes
      entries[0] = { stream, text: text.slice(units) };
    }
    dropped += units;
    excess -= units;
  }
  return { entries, dropped };
}

/**
 * Replace what the segment has from the offset on; segments that were skipped stand empty.
 *
 * @param {import("./types.js").Segment[]} segments
 * @param {import("./types.js").Append} append
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
 * @param {string} text
 * @param {number} units
 */
function splitsPair(text, units) {
  const next = text.charCodeAt(units);
  return next >= 0xdc00 && next <= 0xdfff;
}
