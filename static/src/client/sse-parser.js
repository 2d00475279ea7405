// @ts-check
/** Server-sent events as text: a pure parser that takes chunks cut anywhere (WHATWG HTML, 9.2.6). No network here. */

/** @typedef {{data: string, event: string, id: string}} Block */

export class SseParser {
  #buffer = "";
  #begun = false;
  #skipLineFeed = false;
  /** @type {string[]} */
  #data = [];
  #event = "";
  #id = "";

  /** What the server wants us to wait before coming back, in seconds; null as long as it said nothing. */
  /** @type {number|null} */
  retry_s = null;

  /**
   * Take the next chunk of text and return the blocks that it completed.
   *
   * @param {string} chunk
   * @returns {Block[]}
   */
  feed(chunk) {
    if (chunk === "") return []; // a decoder that holds back half a character gives nothing yet
    if (!this.#begun) {
      this.#begun = true;
      if (chunk.startsWith("\ufeff")) chunk = chunk.slice(1);
    }
    // A line may end in CRLF that was cut in the middle: the CR ended it, and its LF must not end another one.
    if (this.#skipLineFeed && chunk.startsWith("\n")) chunk = chunk.slice(1);
    /** @type {Block[]} */
    const blocks = [];
    const lines = (this.#buffer + chunk).split(/\r\n|\r|\n/);
    this.#skipLineFeed = chunk.endsWith("\r");
    this.#buffer = lines.pop() ?? "";
    for (const line of lines) {
      const block = line === "" ? this.#dispatch() : this.#field(line);
      if (block) blocks.push(block);
    }
    return blocks;
  }

  /** @returns {Block|null} */
  #dispatch() {
    const block = this.#data.length ? { data: this.#data.join("\n"), event: this.#event, id: this.#id } : null;
    this.#data = [];
    this.#event = "";
    return block;
  }

  /**
   * @param {string} line
   * @returns {null} a field alone completes no block
   */
  #field(line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon); // a comment has an empty name, which no case below takes
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    switch (name) {
      case "data":
        this.#data.push(value);
        break;
      case "event":
        this.#event = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^\d+$/.test(value)) this.retry_s = Number(value) / 1000;
        break;
    }
    return null;
  }
}
