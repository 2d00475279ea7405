// @ts-check
/**
 * The SSE wire. By `fetch` and not by EventSource, because only so the token goes into a header, and a refusal can be
 * read. It knows nothing of what is said on it.
 *
 * @typedef {import("./types.js").Ending} Ending
 */
import { endingOf, UNREACHED } from "./http-ending.js";
import { SseParser } from "./sse.js";

/**
 * Open an event stream.
 *
 * @param {URL} url
 * @param {string} token
 * @param {import("./types.js").WireHandlers} handlers
 * @returns {import("./types.js").Wire}
 */
export function openStream(url, token, handlers) {
  const hangingUp = new AbortController();
  const { signal } = hangingUp;
  read(url, token, handlers, signal).then((ending) => {
    if (!signal.aborted) handlers.closed(ending);
  });
  return {
    send() {
      throw new Error("an event stream has one direction");
    },
    close: () => hangingUp.abort(),
  };
}

/**
 * @param {URL} url
 * @param {string} token
 * @param {import("./types.js").WireHandlers} handlers
 * @param {AbortSignal} signal
 * @returns {Promise<Ending>}
 */
async function read(url, token, { opened, message }, signal) {
  const parser = new SseParser();
  const lost = () => null; // fetch and its reader reject when the network fails or we hang up, and for nothing else
  // Where not even `retry:` came, which the relay sends at once, somebody on the way holds the stream back.
  const again = (/** @type {string} */ reason) =>
    /** @type {Ending} */ ({
      kind: "again",
      reason,
      reached: parser.retry_s !== null,
      retry_s: parser.retry_s ?? 0,
    });

  const headers = { Accept: "text/event-stream", Authorization: `Bearer ${token}` };
  const response = await fetch(url, { headers, signal, cache: "no-store", credentials: "omit" }).catch(lost);
  if (!response) return UNREACHED;
  if (response.status === 204) return { kind: "ended" };
  if (!response.ok || !response.body) return endingOf(response);
  opened?.();
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const part = await reader.read().catch(lost);
    if (!part) return again("the relay cannot be reached");
    if (part.done) return again("the stream came to an end");
    for (const block of parser.feed(decoder.decode(part.value, { stream: true }))) {
      if (signal.aborted) break; // a message may have made its reader hang up: the rest of the chunk is not for it
      message(block.data);
    }
  }
}
