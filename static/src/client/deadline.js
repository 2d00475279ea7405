// @ts-check
/** Deadlines for requests. Safari 16 lacks `AbortSignal.any`, which would do the same. */

/**
 * Create a signal that aborts after `limit_s`, or together with `parent`.
 *
 * @param {number} limit_s
 * @param {AbortSignal} [parent]
 * @returns {{signal: AbortSignal, clear: () => void}} call `clear` when the request has finished
 */
export function deadline(limit_s, parent) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timer = setTimeout(abort, limit_s * 1000);
  if (parent?.aborted) abort();
  parent?.addEventListener("abort", abort, { once: true });
  return {
    signal: controller.signal,
    clear() {
      clearTimeout(timer);
      parent?.removeEventListener("abort", abort);
    },
  };
}

/** Wait for `time_s`. */
export function sleep(/** @type {number} */ time_s) {
  return new Promise((resolve) => setTimeout(resolve, time_s * 1000));
}
