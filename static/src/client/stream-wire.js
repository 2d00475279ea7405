// @ts-check
/**
 * The event stream wire. The subscriptions of a stream are fixed when it opens, so every change reopens it, from the
 * cursors: nothing is lost, and changes that coincide reopen it once.
 */
import { eventsRequest } from "./events-request.js";
import { refuseEach } from "./http-close-reason.js";
import { parseMessage } from "./message.js";
import { openStream } from "./stream.js";
import { DEFAULT_LIMIT, limitIn, limitMessage } from "./subscription-limit.js";
import { messageKey } from "./topic.js";

/** @import { Wire, WireOptions } from "./wire-types.js" */

/** A new subscription should start soon. One that is no longer needed does no harm for a while. */
const REOPEN_TO_ADD_S = 0.05;
const REOPEN_TO_REMOVE_S = 5;

/**
 * @param {WireOptions} options
 * @returns {Wire}
 */
export function openStreamWire({ base, requests, ready, onMessage, onClose }) {
  /** @type {{close: () => void}|null} */
  let stream = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let reopening;
  let isAdding = true; // until the stream opens, every subscription is new
  let isClosed = false;
  let limit = DEFAULT_LIMIT;

  const open = () => {
    clearTimeout(reopening);
    isAdding = false;
    stream?.close();
    for (const { topic, token } of requests().slice(limit)) {
      onMessage({ type: "error", ...topic, code: "forbidden", detail: limitMessage(limit) }, token);
    }
    const current = requests().slice(0, limit);
    if (!current.length) return;
    const tokens = new Map(current.map(({ key, token }) => [key, token]));
    stream = openStream(eventsRequest(base, current, "text/event-stream"), {
      onMessage(text) {
        const message = parseMessage(text);
        if (message === null) return onClose({ kind: "retry", reason: "the relay sent invalid data", reached: true });
        onMessage(message, tokens.get(messageKey(message) ?? ""));
      },
      onClose(reason) {
        if (reason.kind === "refused") return refuseEach(current, reason, onMessage);
        const newLimit = reason.kind === "retry" ? limitIn(reason.reason) : null;
        const isTooMany = newLimit !== null && newLimit < limit;
        if (isTooMany) limit = newLimit;
        // A stream ends once all its tasks are done. Subscriptions added since then need another one.
        if (isAdding || isTooMany) open();
        else if (requests().length) onClose(reason);
      },
    });
  };
  const reopen = (/** @type {boolean} */ toAdd) => {
    if (isAdding) return;
    isAdding = toAdd;
    clearTimeout(reopening);
    reopening = setTimeout(open, (toAdd ? REOPEN_TO_ADD_S : REOPEN_TO_REMOVE_S) * 1000);
  };
  ready().then(() => isClosed || open());
  return {
    subscribe: () => reopen(true),
    unsubscribe: () => reopen(false),
    renew: () => reopen(true),
    probe: () => false,
    close() {
      isClosed = true;
      clearTimeout(reopening);
      stream?.close();
    },
  };
}
