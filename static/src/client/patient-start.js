// @ts-check
/** Repeats a start whose answer was lost. All attempts have the same key, so that at most one task is started. */
import { Backoff } from "./backoff.js";
import { newIdempotencyKey } from "./idempotency-key.js";
import { originProblem } from "./origin-check.js";
import { Problem } from "./problem.js";
import { startTask } from "./start-call.js";

/** @import { StartBody } from "./start-call.js" */
/** @typedef {Omit<Parameters<typeof startTask>[1], "idempotencyKey">} StartOptions */

const ATTEMPTS = 5;

/**
 * @param {StartBody} body
 * @param {StartOptions} options
 */
export async function startPatiently(body, options) {
  const idempotencyKey = newIdempotencyKey();
  const backoff = new Backoff();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startTask(body, { ...options, idempotencyKey });
    } catch (error) {
      if (!(error instanceof Problem) || !isTemporary(error)) throw error;
      // A relay that does not allow the page's origin looks like one that cannot be reached.
      const reason = error.status === 0 && attempt === 1 ? await originProblem(options.base) : "";
      if (reason) throw new Problem(0, error.title, { detail: reason });
      if (attempt === ATTEMPTS) throw error;
      await pause(error.retry_s + backoff.next_s(), options.signal);
    }
  }
}

/** Return whether the relay was not reached, or will soon be available again. A limit that was reached is not temporary. */
function isTemporary(/** @type {Problem} */ { status, code }) {
  return status === 0 || status === 503 || (!code && (status === 502 || status === 504));
}

/**
 * @param {number} time_s
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
function pause(time_s, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, time_s * 1000);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
