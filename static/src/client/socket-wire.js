// @ts-check
/**
 * The WebSocket as a wire: subscribes what is wanted as soon as it is open, and keeps the two in step.
 *
 * The socket is opened without a token. Each subscription brings its own, and a fault ends only that one.
 *
 * @typedef {import("./types.js").Ending} Ending
 * @typedef {import("./types.js").Entry} Entry
 */

import { parse } from "./message.js";
import { openSocket } from "./socket.js";
import { subjectOf } from "./topic.js";

/**
 * A task that does not exist. Asking for it is answered at once by an error, which costs the relay nothing and shows that
 * the connection works: a browser cannot send the pings of RFC 6455.
 */
const PROBE = JSON.stringify({ type: "subscribe", task: "probe" });

/**
 * @param {import("./types.js").WireParts} parts
 * @returns {import("./types.js").Wire}
 */
export function openSocketWire({ base, entries, ready, hear, closed }) {
  /** @type {Map<string, Entry>} what this socket is subscribed to, as it was asked for */
  const asked = new Map();
  let isAsking = false;
  let isClosed = false;
  /** The key whose token was sent last by `auth`: when the relay closes the socket for a token, it is that one. */
  let renewing = "";

  const send = (/** @type {object} */ message) => socket.send(JSON.stringify(message));
  const ask = (/** @type {Entry|undefined} */ entry) => {
    if (!entry) return;
    const { key, aim, token, cursor } = entry;
    if (asked.has(key)) send({ type: "unsubscribe", ...aim });
    asked.set(key, entry);
    send({ type: "subscribe", ...aim, token, ...(cursor && { cursor }) });
  };
  const find = (/** @type {string} */ key) => entries().find((entry) => entry.key === key);

  const socket = openSocket(new URL("v1/ws", base), ["relay.v1"], {
    opened: () =>
      ready().then(() => {
        isAsking = !isClosed;
        if (isAsking) entries().forEach(ask);
      }),
    message(text) {
      const message = parse(text);
      if (message === null)
        return closed({ kind: "again", reason: "the relay sent what is no message", reached: true });
      const key = subjectOf(message);
      const token = key === null ? undefined : asked.get(key)?.token;
      if (message.type === "error" && key !== null) asked.delete(key);
      hear(message, token);
    },
    closed: (ending) => closed(judge(ending)),
  });

  /**
   * A refusal is about the token that was sent last; and one that comes before anything was asked is about our silence.
   * A connection that ends with its tokens wants fresh ones for all.
   *
   * @param {Ending} ending
   * @returns {Ending}
   */
  function judge(ending) {
    if (ending.kind === "again" && ending.expired) {
      for (const { aim, token } of [...asked.values()]) {
        hear({ type: "error", ...aim, code: "token_expired", detail: ending.reason }, token);
      }
    }
    if (ending.kind !== "refused") return ending;
    const { reason, code } = ending;
    const renewed = asked.get(renewing);
    if (asked.size > 0 && (code === "protocol" || renewing === "")) return ending;
    if (renewed) hear({ type: "error", ...renewed.aim, code, detail: reason }, renewed.token);
    return { kind: "again", reason, reached: true };
  }

  return {
    ask: (key) => isAsking && ask(find(key)),
    drop(key) {
      const entry = asked.get(key);
      if (asked.delete(key) && entry) send({ type: "unsubscribe", ...entry.aim });
    },
    renew(key) {
      const [entry, before] = [find(key), asked.get(key)];
      if (!entry || !before) return; // the next `subscribe` takes the token along
      asked.set(key, { ...before, token: entry.token });
      renewing = key;
      send({ type: "auth", token: entry.token });
    },
    probe() {
      if (isAsking) socket.send(PROBE);
      return isAsking;
    },
    close() {
      isClosed = true;
      isAsking = false;
      asked.clear();
      socket.close();
    },
  };
}
