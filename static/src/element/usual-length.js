// @ts-check
/**
 * How long tasks such as this one usually take. The relay's estimate says how long a running task still needs; once the
 * task has ended, there is none, so the last one is kept.
 */

/** @import { Snapshot } from "../../relay.js" */
/** @typedef {{p50_s: number, p90_s: number}} Usual of the whole task, from its start */

export class UsualLength {
  /** @type {Usual|null} */
  #last = null;

  /**
   * @param {Pick<Snapshot, "eta"|"created_at">} state
   * @returns {Usual|null} null as long as there was no estimate
   */
  update({ eta, created_at }) {
    if (eta) {
      const passed_s = Math.max(0, eta.at - created_at);
      this.#last = { p50_s: passed_s + eta.p50_s, p90_s: passed_s + eta.p90_s };
    }
    return this.#last;
  }
}
