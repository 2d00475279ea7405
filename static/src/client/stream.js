// @ts-check
/**
 * Opens an event stream. Uses `fetch`, because an EventSource can neither send headers or a body nor read an error
 * response. Knows nothing about the messages on it.
 */
import { httpCloseReason, UNREACHABLE } from "./http-close-reason.js";
import { SseParser } from "./sse-parser.js";

/** @import { CloseReason, LinkHandlers, Retry } from "./wire-types.js" */
/** @typedef {{url: URL, init: RequestInit}} StreamRequest */

/**
 * Open an event stream.
 *
 * @param {StreamRequest} request
 * @param {LinkHandlers} handlers
 * @returns {{close: () => void}} after `close`, no handler is called
 */
export function openStream(request, handlers) {
  const aborter = new AbortController();
  const { signal } = aborter;
  read(request, handlers, signal).then((reason) => {
    if (!signal.aborted) handlers.onClose(reason);
  });
  return { close: () => aborter.abort() };
}

/**
 * @param {StreamRequest} request
 * @param {LinkHandlers} handlers
 * @param {AbortSignal} signal
 * @returns {Promise<CloseReason>}
 */
async function read({ url, init }, { onOpen, onMessage }, signal) {
  const parser = new SseParser();
  const lost = () => null; // fetch and its reader reject only if the network fails or the request is aborted
  let reached = false;
  /** @returns {Retry} */
  const retry = (/** @type {string} */ reason) => ({ kind: "retry", reason, reached, retry_s: parser.retry_s ?? 0 });

  const response = await fetch(url, { ...init, signal }).catch(lost);
  if (!response) return UNREACHABLE;
  if (response.status === 204) return { kind: "ended" };
  if (!response.ok || !response.body) return httpCloseReason(response);
  onOpen?.();
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const chunk = await reader.read().catch(lost);
    if (!chunk) return retry("the relay cannot be reached");
    if (chunk.done) return retry("the stream came to an end");
    for (const event of parser.feed(decoder.decode(chunk.value, { stream: true }))) {
      if (signal.aborted) break; // a handler closed the stream: drop the rest of the chunk
      reached = true;
      onMessage(event.data);
    }
  }
}
