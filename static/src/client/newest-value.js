// @ts-check
/** Passes a series of values to loops (`for await`). A loop that is slow misses values, but never the last one. */

/** @template Value */
export class NewestValue {
  /** @type {Value|null} */
  #value = null;
  #hasEnded = false;
  /** @type {unknown} */
  #error = null;
  #wake = () => {};
  /** @type {Promise<void>} resolved with the next change */
  #changed = this.#nextChange();

  get value() {
    return this.#value;
  }

  /** A value that is the same as before is no change. */
  set value(value) {
    if (value === this.#value) return;
    this.#value = value;
    this.#signal();
  }

  /** Let all loops finish after the present value; with an error, throw it in them. */
  end(/** @type {unknown} */ error = null) {
    this.#hasEnded = true;
    this.#error = error;
    this.#signal();
  }

  /** @returns {AsyncGenerator<Value, void, undefined>} */
  async *[Symbol.asyncIterator]() {
    /** @type {Value|null} */
    let passed = null;
    while (true) {
      const changed = this.#changed;
      if (this.#value !== null && this.#value !== passed) {
        passed = this.#value;
        yield passed;
      } else if (this.#hasEnded) break;
      else await changed;
    }
    if (this.#error !== null) throw this.#error;
  }

  #signal() {
    const wake = this.#wake;
    this.#changed = this.#nextChange();
    wake();
  }

  /** @returns {Promise<void>} */
  #nextChange() {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
