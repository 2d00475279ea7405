// @ts-check
/** Counts the words of a text that grows, reading only what was added. */

/** The time over which the speed is measured. */
const SPAN_S = 5;

export class WordCount {
  #text = "";
  #words = 0;
  /** @type {{at: number, words: number}[]} */
  #samples = [];

  /**
   * @param {string} text
   * @param {number} now seconds
   * @returns {{words: number, perSecond: number|null}} the speed is null before it can be measured
   */
  update(text, now) {
    if (text !== this.#text) {
      const isAppended = text.startsWith(this.#text);
      const from = isAppended ? this.#text.length : 0;
      const before = isAppended ? this.#words : 0;
      // A word that was cut at the end of the last text is not counted twice.
      const isCut = from > 0 && /\S/.test(text[from - 1]) && /\S/.test(text[from] ?? " ");
      this.#words = before + (text.slice(from).match(/\S+/g)?.length ?? 0) - (isCut ? 1 : 0);
      this.#text = text;
    }
    this.#samples.push({ at: now, words: this.#words });
    while (this.#samples.length > 2 && this.#samples[1].at < now - SPAN_S) this.#samples.shift();
    const [first] = this.#samples;
    const passed_s = now - first.at;
    return { words: this.#words, perSecond: passed_s < 1 ? null : (this.#words - first.words) / passed_s };
  }
}
