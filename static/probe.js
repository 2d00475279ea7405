// @ts-check
/**
 * Tells a wire that is blocked from a relay that is away: does plain HTTP get through where the wire did not?
 *
 * It asks `/livez`, which needs no token, and draws conclusions only from several failures in a row.
 */

/** So often in a row a wire has to fail while HTTP gets through. */
const SIGNS = 2;
const PATIENCE_MS = 10_000;

export class Blockage {
  #base;
  #found;
  #signs = 0;
  #asking = 0;

  /**
   * @param {URL} base
   * @param {() => void} found called when this wire, and only this wire, does not get through
   */
  constructor(base, found) {
    this.#base = base;
    this.#found = found;
  }

  /** The wire works. */
  clear() {
    this.#signs = 0;
    this.#asking += 1;
  }

  /** The wire has failed before anything was heard on it. */
  async suspect() {
    const asking = ++this.#asking;
    const answers = await httpAnswers(this.#base);
    if (!answers || asking !== this.#asking) return;
    this.#signs += 1;
    if (this.#signs >= SIGNS) this.#found();
  }
}

/**
 * @param {URL} base
 * @returns {Promise<boolean>}
 */
async function httpAnswers(base) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  // Another origin may not read /livez, but it sees whether there was an answer: `no-cors` gives an opaque one.
  const mode = base.origin === globalThis.location?.origin ? "same-origin" : "no-cors";
  const response = await fetch(new URL("livez", base), { mode, signal, cache: "no-store" }).catch(() => null);
  return response !== null && (response.ok || response.type === "opaque");
}
