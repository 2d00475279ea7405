// @ts-check
/**
 * The SSE wire as the network has it. By `fetch` and not by EventSource, because only so a request has headers and a
 * body, and a refusal can be read. It knows nothing of what is said on it.
 *
 * @typedef {import("./types.js").Ending} Ending
 */
import { endingOf, UNREACHED } from "./http-close.js";
import { SseParser } from "./sse-parser.js";

/**
 * Open an event stream.
 *
 * @param {{url: URL, init: RequestInit}} call
 * @param {import("./types.js").LinkHandlers} handlers
 * @returns {{close: () => void}} after `close` it says nothing more
 */
export function openStream(call, handlers) {
  const hangingUp = new AbortController();
  const { signal } = hangingUp;
  read(call, handlers, signal).then((ending) => {
    if (!signal.aborted) handlers.closed(ending);
  });
  return { close: () => hangingUp.abort() };
}

/**
 * @param {{url: URL, init: RequestInit}} call
 * @param {import("./types.js").LinkHandlers} handlers
 * @param {AbortSignal} signal
 * @returns {Promise<Ending>}
 */
async function read({ url, init }, { opened, message }, signal) {
  const parser = new SseParser();
  const lost = () => null; // fetch and its reader reject when the network fails or we hang up, and for nothing else
  let isHeard = false;
  const again = (/** @type {string} */ reason) =>
    /** @type {Ending} */ ({ kind: "again", reason, reached: isHeard, retry_s: parser.retry_s ?? 0 });

  const response = await fetch(url, { ...init, signal }).catch(lost);
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
      isHeard = true;
      message(block.data);
    }
  }
}
