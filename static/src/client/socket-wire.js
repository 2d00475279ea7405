// @ts-check
/**
 * The WebSocket wire. The socket opens without a token: each subscription sends its own, so that an error ends only
 * that subscription.
 */
import { parseMessage } from "./message.js";
import { openSocket } from "./socket.js";
import { messageKey } from "./topic.js";

/** @import { CloseReason, SubscribeRequest, Wire, WireOptions } from "./wire-types.js" */

/**
 * Subscribes to a task that does not exist. The relay answers with an error at once, which shows that the connection
 * works: a browser cannot send the pings of RFC 6455.
 */
const PROBE = JSON.stringify({ type: "subscribe", task: "probe" });

/**
 * @param {WireOptions} options
 * @returns {Wire}
 */
export function openSocketWire({ base, requests, ready, onMessage, onClose }) {
  /** @type {Map<string, SubscribeRequest>} the subscriptions of this socket, as they were sent */
  const sent = new Map();
  let isReady = false;
  let isClosed = false;
  /** The key whose token `auth` sent last. If the relay closes the socket because of a token, it is this one. */
  let renewedKey = "";

  const send = (/** @type {object} */ message) => socket.send(JSON.stringify(message));
  const subscribe = (/** @type {SubscribeRequest|undefined} */ request) => {
    if (!request) return;
    const { key, topic, token, cursor, known } = request;
    if (sent.has(key)) send({ type: "unsubscribe", ...topic });
    sent.set(key, request);
    send({ type: "subscribe", ...topic, token, ...(cursor && { cursor }), known });
  };
  const find = (/** @type {string} */ key) => requests().find((request) => request.key === key);

  const socket = openSocket(new URL("v1/ws", base), ["relay.v1"], {
    onOpen: () =>
      ready().then(() => {
        isReady = !isClosed;
        if (isReady) requests().forEach(subscribe);
      }),
    onMessage(text) {
      const message = parseMessage(text);
      if (message === null) return onClose({ kind: "retry", reason: "the relay sent invalid data", reached: true });
      const key = messageKey(message);
      const token = key === null ? undefined : sent.get(key)?.token;
      if (message.type === "error" && key !== null) sent.delete(key);
      onMessage(message, token);
    },
    onClose: (reason) => onClose(handleClose(reason)),
  });

  /**
   * Report expired and refused tokens as errors of their subscriptions, and return what to do with the connection. A
   * refusal after `auth` is about the token sent last. A refusal before any subscription means that none was sent in
   * time.
   *
   * @param {CloseReason} closeReason
   * @returns {CloseReason}
   */
  function handleClose(closeReason) {
    if (closeReason.kind === "retry" && closeReason.expired) {
      for (const { topic, token } of [...sent.values()]) {
        onMessage({ type: "error", ...topic, code: "token_expired", detail: closeReason.reason }, token);
      }
    }
    if (closeReason.kind !== "refused") return closeReason;
    const { reason, code } = closeReason;
    const renewed = sent.get(renewedKey);
    if (sent.size > 0 && (code === "protocol" || renewedKey === "")) return closeReason;
    if (renewed) onMessage({ type: "error", ...renewed.topic, code, detail: reason }, renewed.token);
    return { kind: "retry", reason, reached: true };
  }

  return {
    subscribe(key) {
      if (isReady) subscribe(find(key));
    },
    unsubscribe(key) {
      const request = sent.get(key);
      if (sent.delete(key) && request) send({ type: "unsubscribe", ...request.topic });
    },
    renew(key) {
      const [request, before] = [find(key), sent.get(key)];
      if (!request || !before) return; // `subscribe` will send the token
      sent.set(key, { ...before, token: request.token });
      renewedKey = key;
      send({ type: "auth", token: request.token });
    },
    probe() {
      if (isReady) socket.send(PROBE);
      return isReady;
    },
    close() {
      isClosed = true;
      isReady = false;
      sent.clear();
      socket.close();
    },
  };
}
