// @ts-check
/** Parses server-sent events from chunks of text that may be cut anywhere (WHATWG HTML, section 9.2.6). Pure. */

/** @typedef {{data: string, event: string, id: string}} SseEvent */

export class SseParser {
  #buffer = "";
  #started = false;
  #skipLineFeed = false;
  /** @type {string[]} */
  #data = [];
  #event = "";
  #id = "";

  /** The server's `retry`, in seconds. @type {number|null} */
  retry_s = null;

  /**
   * Parse the next chunk.
   *
   * @param {string} chunk
   * @returns {SseEvent[]} the events that it completed
   */
  feed(chunk) {
    if (chunk === "") return []; // a decoder that holds back half a character returns nothing
    if (!this.#started) {
      this.#started = true;
      if (chunk.startsWith("\ufeff")) chunk = chunk.slice(1);
    }
    // A CRLF may be cut in the middle. The CR has ended the line, so the LF must not end another one.
    if (this.#skipLineFeed && chunk.startsWith("\n")) chunk = chunk.slice(1);
    /** @type {SseEvent[]} */
    const events = [];
    const lines = (this.#buffer + chunk).split(/\r\n|\r|\n/);
    this.#skipLineFeed = chunk.endsWith("\r");
    this.#buffer = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") {
        this.#addField(line);
        continue;
      }
      const event = this.#dispatch();
      if (event) events.push(event);
    }
    return events;
  }

  /** @returns {SseEvent|null} */
  #dispatch() {
    const event = this.#data.length ? { data: this.#data.join("\n"), event: this.#event, id: this.#id } : null;
    this.#data = [];
    this.#event = "";
    return event;
  }

  #addField(/** @type {string} */ line) {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon); // a comment has an empty name, which no case matches
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
  }
}
