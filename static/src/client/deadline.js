// @ts-check
/** Deadlines for calls. `AbortSignal.any` and `AbortSignal.timeout` would do, but Safari 16 lacks the first. */

/**
 * Make a signal that aborts after `limit_s`, or together with `parent`.
 *
 * @param {number} limit_s
 * @param {AbortSignal} [parent]
 * @returns {{signal: AbortSignal, clear: () => void}} `clear` is to be called when the call is over
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
export function wait(/** @type {number} */ time_s) {
  return new Promise((resolve) => setTimeout(resolve, time_s * 1000));
}
