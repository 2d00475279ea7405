// @ts-check
/** The WebSocket as the network has it: opens one, and reads its close code. It knows nothing of what is said on it. */

/** @typedef {import("./types.js").Ending} Ending */

/** @type {Record<number, string>} */
const CLOSED_BECAUSE = {
  1001: "the relay went away",
  1006: "the relay cannot be reached",
  4001: "the relay is restarting",
  4002: "the token has expired",
  4003: "this connection was too slow",
  4004: "too many connections",
  4005: "the relay's API keys have changed",
  4500: "the token is not valid, or has expired",
  4501: "the token does not allow this",
  4504: "there is no such task",
};

/** @type {Record<number, import("./types.js").FaultCode>} */
const FAULTS = { 4500: "unauthorized", 4501: "forbidden", 4504: "not_found" };

const TOKEN_EXPIRED = 4002;

/** A socket that nobody wants any more has so long to open, to be closed in peace. */
const OPENING_S = 5;

/**
 * Open a WebSocket.
 *
 * @param {URL} url http or https: the scheme is changed here
 * @param {string[]} protocols
 * @param {import("./types.js").LinkHandlers} handlers
 * @returns {{send: (text: string) => void, close: () => void}} after `close` it says nothing more
 */
export function openSocket(url, protocols, { opened, message, closed }) {
  const address = new URL(url);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address, protocols);
  const listening = new AbortController();
  const { signal } = listening;
  socket.addEventListener("open", () => opened?.(), { signal });
  socket.addEventListener("message", (event) => message(event.data), { signal });
  socket.addEventListener("close", (event) => closed(endingOf(event.code, event.reason)), { signal });
  return {
    send(text) {
      // A frame that is sent while the socket closes is lost with it: whoever comes back says it again.
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close() {
      listening.abort();
      if (socket.readyState !== WebSocket.CONNECTING) return socket.close();
      // Browsers complain in the console of a socket that is closed before it is open. One that hangs is closed anyway.
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
 * Codes 4500–4999 do not come back; all others do. 1000 too: a client that has seen the end hangs up by itself.
 *
 * @param {number} code
 * @param {string} said
 * @returns {Ending}
 */
export function endingOf(code, said) {
  const reason = CLOSED_BECAUSE[code] ?? (said || `the connection was closed (${code})`);
  if (code >= 4500 && code <= 4999) return { kind: "refused", reason, code: FAULTS[code] ?? "protocol" };
  // From 4000 on it is the relay itself that speaks, so the wire is not what is at fault.
  return { kind: "again", reason, reached: code >= 4000, expired: code === TOKEN_EXPIRED };
}
