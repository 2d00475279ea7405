// @ts-check
/** `run` and `resume`: one task as a promise of its end, and as a series of its states. No DOM. */
import { DEFAULT_BASE } from "./base.js";
import { separateFiles } from "./input-files.js";
import { NewestValue } from "./newest-value.js";
import { startPatiently } from "./patient-start.js";
import { Problem } from "./problem.js";
import { RelayClient } from "./relay-client.js";
import { cancelTask } from "./task-calls.js";
import { TaskError } from "./task-error.js";
import { allows } from "./token-claims.js";

/** @import { ResumeOptions, Run as DeclaredRun, RunOptions, Snapshot } from "../../relay.js" */
/** @typedef {{task: string, token: string, state: Snapshot|null, credential?: string}} Begun */

/**
 * Start a task and follow it to its end.
 *
 * @param {string} model
 * @param {Record<string, unknown>} input files (Blob) in it are uploaded
 * @param {RunOptions} options
 * @returns {DeclaredRun}
 */
export function run(model, input, options) {
  const { token, base = DEFAULT_BASE, onUploadProgress, signal } = options;
  return new Run(async () => {
    const { provider, title, tags, metadata, files } = options;
    const { input: rest, attachments } = separateFiles(input, files);
    const body = { model, input: rest, provider, title, tags, metadata };
    const credential = typeof token === "function" ? await token() : token;
    signal?.throwIfAborted();
    const started = await startPatiently(body, { base, token: credential, attachments, onUploadProgress, signal });
    return { task: started.task.id, token: started.token, state: started.task, credential };
  }, options);
}

/**
 * Follow a task that was started before, for example before the page was loaded again.
 *
 * @param {string} task
 * @param {ResumeOptions} options
 * @returns {DeclaredRun}
 */
export function resume(task, options) {
  const { token } = options;
  return new Run(
    async () => ({ task, token: typeof token === "function" ? await token() : token, state: null }),
    options,
  );
}

class Run {
  #options;
  #begun;
  #result;
  /** @type {NewestValue<Snapshot>} */
  #states = new NewestValue();
  /** @type {RelayClient|null} */
  #client = null;

  /**
   * @param {() => Promise<Begun>} begin
   * @param {ResumeOptions} options
   */
  constructor(begin, options) {
    this.#options = options;
    this.#begun = begin();
    this.#result = this.#finish();
  }

  /** What `resume` needs: the ID of the task and a token for it. Rejected if the task could not be started. */
  get started() {
    return this.#begun.then(({ task, token }) => ({ task, token }));
  }

  /** The newest state; null before the first one. */
  get state() {
    return this.#states.value;
  }

  /** Ask the platform to stop the task. The result is then rejected with the state `canceled`. */
  async cancel() {
    const { task, token, credential = token } = await this.#begun;
    const current = this.#client?.token || token;
    // The token of a task that was started with a start token may only view.
    await cancelTask({ base: this.#base, task, token: allows(current, "cancel") ? current : credential });
  }

  /** @type {Promise<Snapshot>["then"]} */
  // biome-ignore lint/suspicious/noThenProperty: `await run` waits for the result
  then(onSuccess, onFailure) {
    return this.#result.then(onSuccess, onFailure);
  }

  /** @type {Promise<Snapshot>["catch"]} */
  catch(onFailure) {
    return this.#result.catch(onFailure);
  }

  /** @type {Promise<Snapshot>["finally"]} */
  finally(onEnd) {
    return this.#result.finally(onEnd);
  }

  /** Iterate over the states up to the last one. Throws only what prevents it: a loop sees that a task has failed. */
  [Symbol.asyncIterator]() {
    this.#result.catch(() => {}); // the loop throws it, or shows it
    return this.#states[Symbol.asyncIterator]();
  }

  get [Symbol.toStringTag]() {
    return "Run";
  }

  get #base() {
    return this.#options.base ?? DEFAULT_BASE;
  }

  /** @returns {Promise<Snapshot>} */
  async #finish() {
    try {
      const last = await this.#follow(await this.#begun);
      this.#states.end();
      if (last.done?.verdict !== "succeeded") throw new TaskError(last);
      return last;
    } catch (error) {
      this.#states.end(error instanceof TaskError ? null : error);
      throw error;
    }
  }

  /** @returns {Promise<Snapshot>} the state of a task that has ended */
  #follow(/** @type {Begun} */ { task, token, state }) {
    const { signal, wire, token: source } = this.#options;
    const getToken = typeof source === "function" ? async () => source() : undefined;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const client = new RelayClient({ task, token, getToken, base: this.#base, wire, state });
      const abort = () => {
        client.stop();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#client = client;
      this.#states.value = state;
      client.addEventListener("update", ({ detail: { state, connection, reason, fault } }) => {
        this.#states.value = state;
        if (connection !== "ended" && connection !== "refused") return;
        signal?.removeEventListener("abort", abort);
        if (state?.done) resolve(state);
        else reject(new Problem(0, "The task can no longer be followed", { detail: reason, code: fault ?? "" }));
      });
    });
  }
}
