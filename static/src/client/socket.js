// @ts-check
/** Opens a WebSocket and interprets its close code. Knows nothing about the messages on it. */

/** @import { FaultCode } from "../../relay.js" */
/** @import { CloseReason, LinkHandlers } from "./wire-types.js" */

/** @type {Record<number, string>} */
const REASONS = {
  1001: "the relay went away",
  1006: "the relay cannot be reached",
  4001: "the relay is restarting",
  4002: "the token has expired",
  4003: "this connection was too slow",
  4004: "too many connections",
  4005: "the relay's API keys have changed",
  4500: "the token is invalid or has expired",
  4501: "the token does not allow this",
  4504: "there is no such task",
  4510: "the task was deleted",
};

/** @type {Record<number, FaultCode>} */
const FAULTS = { 4500: "unauthorized", 4501: "forbidden", 4504: "not_found", 4510: "gone" };

const TOKEN_EXPIRED = 4002;

/** A socket that is no longer needed may take this long to open before it is closed. */
const OPENING_S = 5;

/**
 * Open a WebSocket.
 *
 * @param {URL} url with the scheme http or https, which is changed to ws or wss
 * @param {string[]} protocols
 * @param {LinkHandlers} handlers
 * @returns {{send: (text: string) => void, close: () => void}} after `close`, no handler is called
 */
export function openSocket(url, protocols, { onOpen, onMessage, onClose }) {
  const address = new URL(url);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address, protocols);
  const listening = new AbortController();
  const { signal } = listening;
  socket.addEventListener("open", () => onOpen?.(), { signal });
  socket.addEventListener("message", (event) => onMessage(event.data), { signal });
  socket.addEventListener("close", (event) => onClose(socketCloseReason(event.code, event.reason)), { signal });
  return {
    send(text) {
      // A message that is sent while the socket closes would be lost. After a reconnect it is sent again anyway.
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close() {
      listening.abort();
      if (socket.readyState !== WebSocket.CONNECTING) return socket.close();
      // Browsers log an error if a socket is closed before it has opened. One that hangs is closed all the same.
      const hanging = setTimeout(() => socket.close(), OPENING_S * 1000);
      const close = () => {
        clearTimeout(hanging);
        socket.close();
      };
      for (const type of ["open", "close"]) socket.addEventListener(type, close);
    },
  };
}

/**
 * Return why a socket closed. Codes 4500 to 4999 are final, all others are retried. So is 1000: a client that has seen
 * the end closes the socket itself.
 *
 * @param {number} code
 * @param {string} text the reason in the close frame
 * @returns {CloseReason}
 */
export function socketCloseReason(code, text) {
  const reason = REASONS[code] ?? (text || `the connection was closed (${code})`);
  if (code >= 4500 && code <= 4999) return { kind: "refused", reason, code: FAULTS[code] ?? "protocol" };
  // Codes from 4000 on are the relay's own, so the wire works.
  return { kind: "retry", reason, reached: code >= 4000, expired: code === TOKEN_EXPIRED };
}
