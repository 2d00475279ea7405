// @ts-check
/**
 * One event stream for all tabs of a site: the tab that holds the lock leads, and holds the stream. The others tell it
 * what they want, and hear by a BroadcastChannel what comes. When the leader closes, is frozen, or falls silent, another
 * takes over; each tab knows its own cursors, so nothing is lost.
 *
 * Tokens travel over the BroadcastChannel, which reaches only pages of the same origin.
 *
 * @typedef {import("./types.js").Ending} Ending
 * @typedef {import("./types.js").Entry} Entry
 * @typedef {import("./types.js").Message} Message
 */
import { StreamLeader } from "./stream-leader.js";

/** The relay sends something at least every 15 s; a leader that passes nothing on for so long is asked for a sign. */
const SILENCE_S = 20;

/** So long may a leader take to answer. */
const ANSWER_S = 3;

/**
 * What tabs tell each other. `want` adds subscriptions, `drop` takes some back, `hello` asks whether the leader is awake.
 * The leader says `lead` to those that it does not know, and `here` to the others; it passes on every `message` (to one
 * tab alone with `to`) and says when the stream is `closed`.
 *
 * @typedef {{kind: "want", tab: string, entries: Entry[]} | {kind: "drop", tab: string, keys: string[]}
 *   | {kind: "hello", tab: string} | {kind: "lead"} | {kind: "here"} | {kind: "closed", ending: Ending}
 *   | {kind: "message", message: Message, token?: string, to?: string}} Word
 */

/**
 * @param {import("./types.js").WireParts} parts
 * @param {string} name what the tabs have in common
 * @returns {import("./types.js").Wire}
 */
export function openSharedStream(parts, name) {
  return new SharedStream(parts, name);
}

class SharedStream {
  #parts;
  #name;
  #tab = Math.random().toString(36).slice(2);
  #channel;
  /** @type {StreamLeader|null} */
  #leader = null;
  #leaving = new AbortController();
  #isPresent = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #watch;

  /**
   * @param {import("./types.js").WireParts} parts
   * @param {string} name
   */
  constructor(parts, name) {
    this.#parts = parts;
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    const { signal } = this.#leaving;
    this.#channel.addEventListener("message", ({ data }) => this.#take(data), { signal });
    // A tab that sleeps must not keep the others waiting, and one with a lock does not fit into the back-forward cache.
    const sleep = () => this.#end({ kind: "again", reason: "the tab was put to sleep", reached: true });
    document.addEventListener("freeze", sleep, { signal });
    addEventListener("pagehide", sleep, { signal });
    parts.ready().then(() => this.#join());
  }

  #join() {
    if (this.#leaving.signal.aborted) return;
    this.#request(tabLock(this.#name, this.#tab), {}, () => this.#enter());
    this.#request(this.#name, {}, () => this.#lead());
    this.#listen(ANSWER_S);
  }

  ask(/** @type {string} */ key) {
    this.#want([key]);
  }

  renew(/** @type {string} */ key) {
    this.#want([key]);
  }

  drop(/** @type {string} */ key) {
    this.#say({ kind: "drop", tab: this.#tab, keys: [key] });
  }

  probe() {
    return false;
  }

  close() {
    if (this.#leaving.signal.aborted) return;
    clearTimeout(this.#watch);
    this.#leader?.close();
    this.#leader = null;
    this.#leaving.abort(); // which gives the locks back
    this.#channel.close();
  }

  /**
   * Ask for a lock, which is held for as long as the promise of `held` takes.
   *
   * @param {string} lock
   * @param {LockOptions} options
   * @param {() => Promise<unknown>|void} held
   */
  #request(lock, options, held) {
    const { signal } = this.#leaving;
    const granted = () => (signal.aborted ? undefined : held());
    navigator.locks.request(lock, options.steal ? options : { signal }, granted).catch((error) => {
      if (!(error instanceof DOMException)) throw error;
      // We left while we waited, or another tab took us for dead and has taken the lock.
      this.#end({ kind: "again", reason: "another tab holds the stream", reached: true });
    });
  }

  #untilEnd() {
    return new Promise((resolve) => this.#leaving.signal.addEventListener("abort", resolve));
  }

  /** From now on the leader can see that this tab is there, and so may know of it. */
  #enter() {
    this.#isPresent = true;
    if (!this.#leader) this.#want();
    return this.#untilEnd();
  }

  #lead() {
    if (this.#leader) return undefined;
    clearTimeout(this.#watch);
    this.#leader = new StreamLeader({
      base: this.#parts.base,
      tell: (message, token, to) => this.#pass(message, token, to),
      closed: (ending) => {
        this.#post({ kind: "closed", ending });
        this.#end(ending);
      },
    });
    this.#leader.want(this.#tab, this.#parts.entries());
    this.#post({ kind: "lead" });
    return this.#untilEnd();
  }

  #pass(/** @type {Message} */ message, /** @type {string|undefined} */ token, /** @type {string|undefined} */ to) {
    if (to !== this.#tab) this.#post({ kind: "message", message, token, to });
    if (to === undefined || to === this.#tab) this.#parts.hear(message, token);
  }

  /** @param {string[]} [keys] everything where none are named */
  #want(keys) {
    const entries = this.#parts.entries().filter(({ key }) => !keys || keys.includes(key));
    if (entries.length) this.#say({ kind: "want", tab: this.#tab, entries });
  }

  /** Say something to the leader, which may be this tab itself. */
  #say(/** @type {Word} */ word) {
    if (this.#leader) this.#obey(word);
    else if (this.#isPresent) this.#post(word);
  }

  #post(/** @type {Word} */ word) {
    if (!this.#leaving.signal.aborted) this.#channel.postMessage(word);
  }

  #take(/** @type {Word} */ word) {
    if (this.#leader) return this.#obey(word);
    switch (word.kind) {
      case "message":
        if (word.to === undefined || word.to === this.#tab) this.#parts.hear(word.message, word.token);
        return this.#listen(SILENCE_S);
      case "lead":
        this.#want();
        return this.#listen(SILENCE_S);
      case "here":
        return this.#listen(SILENCE_S);
      case "closed":
        return this.#end(word.ending);
    }
  }

  #obey(/** @type {Word} */ word) {
    const leader = this.#leader;
    switch (word.kind) {
      case "want": {
        const isNew = leader?.want(word.tab, word.entries);
        if (word.tab === this.#tab) return;
        if (isNew) this.#request(tabLock(this.#name, word.tab), {}, () => this.#leader?.forget(word.tab));
        return this.#post({ kind: "here" });
      }
      case "drop":
        return leader?.drop(word.tab, word.keys);
      case "hello":
        return this.#post({ kind: leader?.knows(word.tab) ? "here" : "lead" });
    }
  }

  /** Expect a word of the leader: the place of one who does not even answer is taken. */
  #listen(/** @type {number} */ limit_s) {
    clearTimeout(this.#watch);
    if (this.#leader) return;
    this.#watch = setTimeout(() => {
      this.#say({ kind: "hello", tab: this.#tab });
      this.#watch = setTimeout(() => this.#request(this.#name, { steal: true }, () => this.#lead()), ANSWER_S * 1000);
    }, limit_s * 1000);
  }

  #end(/** @type {Ending} */ ending) {
    if (this.#leaving.signal.aborted) return;
    this.close();
    this.#parts.closed(ending);
  }
}

/** Each tab holds a lock of its own, too: when it is free, the tab is gone. */
function tabLock(/** @type {string} */ name, /** @type {string} */ tab) {
  return `${name} ${tab}`;
}
