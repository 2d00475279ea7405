// @ts-check
/**
 * A wire of one's own to what one subscription follows: an event stream, or polling.
 *
 * @typedef {import("./types.js").Aim} Aim
 * @typedef {import("./types.js").Ending} Ending
 * @typedef {import("./types.js").WayHandlers} WayHandlers
 */
import { Connection } from "./connection.js";
import { parse } from "./message.js";
import { openPoll } from "./poll.js";
import { Blockage } from "./probe.js";
import { takeStream } from "./stream-budget.js";
import { openStream } from "./stream.js";

export class SingleWire {
  #name;
  #base;
  #aim;
  #cursor;
  #credential;
  #handlers;
  #connection;
  #blockage;
  #isDialled = false;
  /** @type {(() => void)|null} */
  #giveBack = null;

  /**
   * @param {"sse"|"poll"} name
   * @param {object} parts
   * @param {URL} parts.base
   * @param {Aim} parts.aim
   * @param {() => string|null} parts.cursor
   * @param {import("./credential.js").Credential} parts.credential
   * @param {WayHandlers} parts.handlers
   */
  constructor(name, { base, aim, cursor, credential, handlers }) {
    this.#name = name;
    this.#base = base;
    this.#aim = aim;
    this.#cursor = cursor;
    this.#credential = credential;
    this.#handlers = handlers;
    this.#blockage = new Blockage(base, () => this.#block());
    this.#connection = new Connection({
      dial: (closed) => this.#dial(closed),
      changed: () => (this.#connection.state === "ended" ? handlers.ended() : handlers.changed()),
      lost: ({ reached }) => {
        // Polling is the last way: there is none to fall back to.
        if (this.#isDialled && !reached && name !== "poll") this.#blockage.suspect();
      },
      refused: ({ code, reason }) => this.#fault(code, reason),
    });
    queueMicrotask(() => this.#start());
  }

  get state() {
    return this.#connection.state;
  }

  get reason() {
    return this.#connection.reason;
  }

  stop() {
    this.#connection.stop();
    this.#giveBack?.();
  }

  resync() {
    this.#connection.resync();
  }

  cut(/** @type {string} */ reason) {
    this.#connection.again(reason);
  }

  askAnew(/** @type {string} */ reason) {
    this.#connection.again(reason);
  }

  /** A stream carries its token in its head, so a fresh one needs a fresh stream; polling takes it along by itself. */
  renew() {
    if (this.#name === "sse") this.#connection.resync();
  }

  #start() {
    if (this.#connection.stopped) return;
    this.#giveBack = this.#name === "sse" ? takeStream(this.#base) : null;
    if (this.#name === "sse" && !this.#giveBack) this.#block();
    else this.#connection.start();
  }

  /**
   * @param {(ending: Ending) => void} closed
   * @returns {import("./types.js").Wire} which stands as soon as the token is there
   */
  #dial(closed) {
    this.#isDialled = false;
    let isClosed = false;
    /** @type {import("./types.js").Wire|null} */
    let wire = null;
    this.#credential.get().then((token) => {
      if (isClosed) return;
      if (token) wire = this.#open(token, closed);
      else closed({ kind: "refused", reason: "there is no token", code: "unauthorized" });
    });
    return {
      send: (text) => wire?.send(text),
      close() {
        isClosed = true;
        wire?.close();
      },
    };
  }

  #open(/** @type {string} */ token, /** @type {(ending: Ending) => void} */ closed) {
    this.#isDialled = true;
    const hear = (/** @type {import("./types.js").Message} */ message) => this.#receive(message);
    if (this.#name === "poll") {
      const credential = () => this.#credential.get();
      return openPoll(this.#base, this.#aim, { token: credential, cursor: this.#cursor, message: hear, closed });
    }
    const { task } = /** @type {{task: string}} */ (this.#aim);
    const url = new URL(`v1/tasks/${encodeURIComponent(task)}/events`, this.#base);
    const cursor = this.#cursor();
    if (cursor) url.searchParams.set("cursor", cursor);
    return openStream(url, token, {
      message: (text) => {
        const message = parse(text);
        if (message) hear(message);
        else this.#connection.again("the relay sent what is no message");
      },
      closed,
    });
  }

  #receive(/** @type {import("./types.js").Message} */ message) {
    this.#blockage.clear();
    this.#connection.heard();
    if (message.type === "error") {
      const { code, detail = "" } = /** @type {import("./types.js").ErrorMessage} */ (message);
      return this.#fault(code, detail);
    }
    this.#connection.settle("live");
    this.#handlers.hear(message);
  }

  #fault(/** @type {import("./types.js").FaultCode} */ code, /** @type {string} */ reason) {
    this.stop();
    this.#handlers.fault(code, reason);
  }

  #block() {
    this.stop();
    this.#handlers.blocked();
  }
}
