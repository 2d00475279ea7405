// @ts-check
/**
 * Polling as a wire: asks for everything in as few calls as the relay takes it, again and again. Its first answer is also the fastest way to the
 * first state behind a proxy that holds the other wires back.
 *
 * @typedef {import("./types.js").Ending} Ending
 * @typedef {import("./types.js").Message} Message
 */

import { deadline } from "./deadline.js";
import { eventsCall } from "./events-request.js";
import { endingOf, refuse, UNREACHED } from "./http-close.js";
import { cursorOf } from "./message.js";
import { DEFAULT_ROOM, roomOf } from "./subscription-limit.js";
import { subjectOf } from "./topic.js";

/** It asks so soon again after news, and more and more seldom without. */
const SOONEST_S = 2;
const LATEST_S = 10;
const SLOWER = 1.5;
const PATIENCE_S = 15;

/** @typedef {import("./types.js").Entry} Entry */

/**
 * @param {import("./types.js").WireParts} parts
 * @returns {import("./types.js").Wire}
 */
export function openPollWire({ base, entries, hear, closed }) {
  const hangingUp = new AbortController();
  const { signal } = hangingUp;
  const told = new Told();
  let pause_s = SOONEST_S;
  let isBusy = false;
  let isWanted = false;
  let room = DEFAULT_ROOM;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let next;

  const poke = () => {
    pause_s = SOONEST_S;
    isWanted = true;
    clearTimeout(next);
    next = setTimeout(round);
  };

  const round = async () => {
    if (isBusy) return; // the round that runs sees to what is wanted meanwhile
    isBusy = true;
    isWanted = false;
    const ending = await askAll();
    isBusy = false;
    if (signal.aborted) return;
    if (ending) return closed(ending);
    const jittered_s = pause_s * (0.75 + Math.random() / 2); // so that pages do not ask in step
    next = setTimeout(round, isWanted ? 0 : jittered_s * 1000);
  };

  /** @returns {Promise<Ending|null>} what ended the polling; null when everything was answered */
  const askAll = async () => {
    let wanted = entries();
    let news = 0;
    while (wanted.length && !signal.aborted) {
      const answer = await ask(wanted.slice(0, room));
      if ("ending" in answer) {
        const limit = answer.ending.kind === "again" ? roomOf(answer.ending.reason) : null;
        if (limit === null || limit >= room) return answer.ending;
        room = limit;
      } else {
        wanted = [...answer.left, ...wanted.slice(room)];
        news += answer.news;
      }
    }
    pause_s = news ? SOONEST_S : Math.min(LATEST_S, pause_s * SLOWER);
    return null;
  };

  /**
   * @param {Entry[]} asked
   * @returns {Promise<{ending: Ending} | {news: number, left: Entry[]}>} `left` are those that had no room in the answer
   */
  const ask = async (asked) => {
    const { url, init } = eventsCall(base, asked, "application/json");
    const limit = deadline(PATIENCE_S, signal);
    // What fails here is the network, our hanging up, or our patience.
    const response = await fetch(url, { ...init, signal: limit.signal }).catch(() => null);
    const body = response?.ok ? await response.json().catch(() => null) : null;
    limit.clear();
    if (response && !response.ok) {
      const ending = await endingOf(response);
      if (ending.kind !== "refused") return { ending };
      refuse(asked, ending, hear);
      return { news: 0, left: [] };
    }
    if (!Array.isArray(body?.messages)) return { ending: UNREACHED };
    /** @type {Message[]} */
    const messages = body.messages;
    const byKey = new Map(asked.map((entry) => [entry.key, entry]));
    const isLeft = (/** @type {any} */ { type, code }) => type === "error" && code === "rate_limited";
    const left = messages.filter(isLeft).flatMap((message) => byKey.get(subjectOf(message) ?? "") ?? []);
    const news = messages.filter((message) => !isLeft(message) && told.isNews(message));
    const { at } = /** @type {{at?: number}} */ (
      messages.find(({ type }) => type === "snapshot" || type === "resumed") ?? {}
    );
    for (const message of [...news, /** @type {Message} */ ({ type: "ping", at })]) {
      if (signal.aborted) break; // a message may have made its reader hang up
      hear(message, byKey.get(subjectOf(message) ?? "")?.token);
    }
    return { news: news.length, left: left.length < asked.length ? left : [] };
  };

  poke();
  return {
    ask() {
      told.forget();
      poke();
    },
    drop() {},
    renew() {},
    probe: () => false,
    close() {
      hangingUp.abort();
      clearTimeout(next);
    },
  };
}

/** Every answer says again where each task stands: only what has changed since the last one is news. */
class Told {
  /** @type {Map<string, string>} what was said last by `snapshot`, `resumed` and `listed` of each subject */
  #last = new Map();

  forget() {
    this.#last.clear();
  }

  isNews(/** @type {Message} */ message) {
    if (message.type === "ping") return false;
    if (message.type !== "snapshot" && message.type !== "resumed" && message.type !== "listed") return true;
    const { task } = /** @type {import("./types.js").SnapshotMessage} */ (message);
    const place = message.type === "snapshot" ? cursorOf(task) : "";
    const subject = `${message.type} ${subjectOf(message)}`;
    const before = this.#last.get(subject);
    this.#last.set(subject, place);
    return before !== place;
  }
}
