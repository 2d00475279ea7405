// @ts-check
/**
 * The last wire, for where nothing can be streamed: asks again and again, and tells what came as the other wires would.
 *
 * @typedef {import("./types.js").Ending} Ending
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Aim} Aim
 */
import { endingOf, UNREACHED } from "./http-ending.js";
import { cursorOf, placeOf } from "./message.js";

/** It asks so soon again after news, and more and more seldom without. */
const SOONEST_S = 2;
const LATEST_S = 10;
const SLOWER = 1.5;
const PATIENCE_MS = 15_000;
const EVENTS = 500;
const ROWS = 100;

/** After so many answers without news the whole state is asked for: a log that was cut short would stay silent. */
const SILENT_ANSWERS = 5;

/**
 * @typedef {object} Answer
 * @property {Message[]} messages
 * @property {boolean} [more] there is more to be had at once
 */

/**
 * Begin to poll.
 *
 * @param {URL} base
 * @param {Aim} aim
 * @param {object} parts
 * @param {() => Promise<string|null>} parts.token
 * @param {() => string|null} parts.cursor
 * @param {(message: Message) => void} parts.message
 * @param {(ending: Ending) => void} parts.closed
 * @returns {import("./types.js").Wire}
 */
export function openPoll(base, aim, { token, cursor, message, closed }) {
  const hangingUp = new AbortController();
  const { signal } = hangingUp;
  const call = async (/** @type {string} */ path) => {
    const headers = { Accept: "application/json", Authorization: `Bearer ${(await token()) ?? ""}` };
    const until = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    // What fails here is the network, our hanging up, or our patience.
    const response = await fetch(new URL(path, base), {
      headers,
      signal: until,
      cache: "no-store",
      credentials: "omit",
    }).catch(() => null);
    if (!response) throw new Stopped(UNREACHED);
    if (!response.ok) throw new Stopped(await endingOf(response));
    const body = await response.json().catch(() => null);
    if (body === null) throw new Stopped(UNREACHED);
    return body;
  };
  const reader = "tag" in aim ? tagReader(call, aim.tag) : taskReader(call, aim.task, cursor);
  poll(reader, message, signal).catch((error) => {
    if (!(error instanceof Stopped)) throw error;
    if (!signal.aborted) closed(error.ending);
  });
  return {
    send() {
      throw new Error("polling has one direction");
    },
    close: () => hangingUp.abort(),
  };
}

/** Polling is over. */
class Stopped extends Error {
  constructor(/** @type {Ending} */ ending) {
    super(ending.kind);
    this.ending = ending;
  }
}

/**
 * @param {() => Promise<Answer>} read
 * @param {(message: Message) => void} message
 * @param {AbortSignal} signal
 */
async function poll(read, message, signal) {
  let pause_s = SOONEST_S;
  while (!signal.aborted) {
    const { messages, more } = await read();
    for (const one of messages) if (!signal.aborted) message(one);
    if (more) continue;
    if (!messages.length && !signal.aborted) message({ type: "ping" });
    pause_s = messages.length ? SOONEST_S : Math.min(LATEST_S, pause_s * SLOWER);
    const jittered_s = pause_s * (0.75 + Math.random() / 2); // so that pages do not ask in step
    await new Promise((resolve) => setTimeout(resolve, jittered_s * 1000));
  }
}

/**
 * @param {(path: string) => Promise<any>} call
 * @param {string} task
 * @param {() => string|null} cursor
 * @returns {() => Promise<Answer>}
 */
function taskReader(call, task, cursor) {
  const path = `v1/tasks/${encodeURIComponent(task)}`;
  let first = true;
  let silent = 0;
  const whole = async () => {
    first = false;
    silent = 0;
    return { messages: [/** @type {Message} */ ({ type: "snapshot", task: await call(path) })] };
  };
  return async () => {
    const place = placeOf(cursor());
    if (!place || silent >= SILENT_ANSWERS) return whole();
    const { events, first_seq: kept, next } = await call(`${path}/events?after=${place.seq}&limit=${EVENTS}`);
    if (kept > place.seq + 1) return whole();
    silent = events.length ? 0 : silent + 1;
    /** @type {Message[]} */
    const resumed = first ? [{ type: "resumed", task, seq: place.seq, events: events.length }] : [];
    first = false;
    return { messages: [...resumed, ...events], more: next !== null };
  };
}

/**
 * @param {(path: string) => Promise<any>} call
 * @param {string} tag
 * @returns {() => Promise<Answer>}
 */
function tagReader(call, tag) {
  const path = `v1/tasks?${new URLSearchParams({ tag, limit: String(ROWS) })}`;
  /** @type {Map<string, string>} where each task was at the last answer */
  const known = new Map();
  let first = true;
  return async () => {
    /** @type {{tasks: import("./types.js").Snapshot[]}} */
    const { tasks } = await call(path);
    const news = tasks.filter((task) => known.get(task.id) !== cursorOf(task));
    for (const task of news) known.set(task.id, cursorOf(task));
    /** @type {Message[]} */
    const messages = news.map((task) => ({ type: "snapshot", task }));
    if (first) messages.push({ type: "listed", tag });
    first = false;
    return { messages };
  };
}
