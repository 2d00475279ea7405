// @ts-check
/**
 * The polling wire. It requests all subscriptions repeatedly, in as few requests as the relay's limit allows. Its first
 * response is also the fastest way to the first state behind a proxy that holds back the other wires.
 */
import { deadline } from "./deadline.js";
import { takeEarlyResponse } from "./early-response.js";
import { eventsRequest } from "./events-request.js";
import { httpCloseReason, refuseEach, UNREACHABLE } from "./http-close-reason.js";
import { formatCursor } from "./message.js";
import { relayTime_s } from "./server-clock.js";
import { DEFAULT_LIMIT, limitIn } from "./subscription-limit.js";
import { messageKey } from "./topic.js";

/** @import { Message } from "../../relay.js" */
/** @import { CloseReason, SubscribeRequest, Wire, WireOptions } from "./wire-types.js" */

/** The interval after a change; without changes it grows up to the longest. */
const SHORTEST_S = 2;
const LONGEST_S = 10;
const GROWTH = 1.5;
const TIMEOUT_S = 15;

/**
 * @param {WireOptions} options
 * @returns {Wire}
 */
export function openPollWire({ base, requests, onMessage, onClose }) {
  const aborter = new AbortController();
  const { signal } = aborter;
  const changes = new ChangeFilter();
  let interval_s = SHORTEST_S;
  let isPolling = false;
  let isPollWanted = false;
  let limit = DEFAULT_LIMIT;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let next;

  const pollNow = () => {
    interval_s = SHORTEST_S;
    isPollWanted = true;
    clearTimeout(next);
    next = setTimeout(poll);
  };

  const poll = async () => {
    if (isPolling) return; // the current poll starts another one when it has finished
    isPolling = true;
    isPollWanted = false;
    const reason = await requestAll();
    isPolling = false;
    if (signal.aborted) return;
    if (reason) return onClose(reason);
    const jittered_s = interval_s * (0.75 + Math.random() / 2); // so that pages do not poll in step
    next = setTimeout(poll, isPollWanted ? 0 : jittered_s * 1000);
  };

  /** @returns {Promise<CloseReason|null>} why the polling failed; null if everything was answered */
  const requestAll = async () => {
    let pending = requests();
    let changed = 0;
    while (pending.length && !signal.aborted) {
      const result = await requestSome(pending.slice(0, limit));
      if ("failure" in result) {
        const newLimit = result.failure.kind === "retry" ? limitIn(result.failure.reason) : null;
        if (newLimit === null || newLimit >= limit) return result.failure;
        limit = newLimit;
      } else {
        pending = [...result.omitted, ...pending.slice(limit)];
        changed += result.changed;
      }
    }
    interval_s = changed ? SHORTEST_S : Math.min(LONGEST_S, interval_s * GROWTH);
    return null;
  };

  /**
   * @param {SubscribeRequest[]} batch
   * @returns {Promise<{failure: CloseReason} | {changed: number, omitted: SubscribeRequest[]}>} how many messages are
   *   new, and the requests that did not fit into the response
   */
  const requestSome = async (batch) => {
    const { url, init } = eventsRequest(base, batch, "application/json");
    const timeout = deadline(TIMEOUT_S, signal);
    // This rejects if the network fails, the wire is closed, or the time is up.
    const early = takeEarlyResponse(url, batch[0].token, timeout.signal);
    const response = await (early ?? fetch(url, { ...init, signal: timeout.signal })).catch(() => null);
    const body = response?.ok ? await response.json().catch(() => null) : null;
    timeout.clear();
    if (response && !response.ok) {
      const failure = await httpCloseReason(response);
      if (failure.kind !== "refused") return { failure };
      refuseEach(batch, failure, onMessage);
      return { changed: 0, omitted: [] };
    }
    if (!Array.isArray(body?.messages)) return { failure: UNREACHABLE };
    /** @type {Message[]} */
    const messages = body.messages;
    const byKey = new Map(batch.map((request) => [request.key, request]));
    const omitted = messages.filter(isOmitted).flatMap((message) => byKey.get(messageKey(message) ?? "") ?? []);
    const changed = messages.filter((message) => !isOmitted(message) && changes.isNew(message));
    const at = messages.map(relayTime_s).find((time) => time !== null) ?? undefined;
    for (const message of [...changed, /** @type {Message} */ ({ type: "ping", at })]) {
      if (signal.aborted) break; // a handler closed the wire
      onMessage(message, byKey.get(messageKey(message) ?? "")?.token);
    }
    return { changed: changed.length, omitted: omitted.length < batch.length ? omitted : [] };
  };

  pollNow();
  return {
    subscribe() {
      changes.reset();
      pollNow();
    },
    unsubscribe() {},
    renew() {},
    probe: () => false,
    close() {
      aborter.abort();
      clearTimeout(next);
    },
  };
}

/** Return whether the message stands for a subscription that did not fit into the response. */
function isOmitted(/** @type {Message} */ message) {
  return message.type === "error" && /** @type {string} */ (message.code) === "rate_limited";
}

/** Filters repetitions: every response repeats the position of each task. */
class ChangeFilter {
  /** @type {Map<string, string>} the last `snapshot`, `resumed` and `listed` of each topic */
  #last = new Map();

  reset() {
    this.#last.clear();
  }

  isNew(/** @type {Message} */ message) {
    if (message.type === "ping") return false;
    if (message.type !== "snapshot" && message.type !== "resumed" && message.type !== "listed") return true;
    const cursor = message.type === "snapshot" ? formatCursor(message.task) : "";
    const name = `${message.type} ${messageKey(message)}`;
    const before = this.#last.get(name);
    this.#last.set(name, cursor);
    return before !== cursor;
  }
}
