// @ts-check
/**
 * Keeps one connection alive: dials, notices silence, backs off, and comes back at once when the browser wakes up.
 *
 * It owns the timers and listens to the browser's hints. It knows no task and never reads a message: its owner dials for
 * it, and tells it what was heard.
 *
 * @typedef {import("./types.js").ConnectionState} ConnectionState
 * @typedef {import("./types.js").Ending} Ending
 * @typedef {import("./types.js").Again} Again
 * @typedef {import("./types.js").Refused} Refused
 * @typedef {import("./types.js").Wire} Wire
 */
import { Backoff } from "./backoff.js";
import { onWakeups } from "./wakeups.js";

/** The relay sends something at least every 25 s: past this the wire is dead, whatever the browser thinks of it. */
const SILENCE_S = 40;
/** A page that was asleep does not wait for the watchdog: one ping missed is enough. */
const STALE_S = 27;

/** So long may a wire take until the first message: past this somebody on the way holds it back. */
const OPENING_S = 15;

/** So long may the answer to a probe take. */
const PROBE_S = 5;

export class Connection {
  #dial;
  #changed;
  #lost;
  #refused;
  #backoff;
  /** @type {Wire|null} */
  #wire = null;
  /** @type {ConnectionState} */
  #state = "connecting";
  #reason = "";
  #heardAt_ms = 0;
  #heardOnWire = false;
  #heard = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #probing;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #watchdog;
  #listening = new AbortController();

  /**
   * @param {object} parts
   * @param {(closed: (ending: Ending) => void) => Wire} parts.dial opens a wire; `closed` is to be called at its end
   * @param {() => void} parts.changed called after each change of `state`
   * @param {(ending: Again) => void} [parts.lost] called when a wire was lost; `reached` counts what was heard on it too
   * @param {(ending: Refused) => void} [parts.refused] called in the place of `changed` after a refusal
   * @param {Backoff} [parts.backoff] shared where connections take turns at one relay
   */
  constructor({ dial, changed, lost = () => {}, refused = () => changed(), backoff = new Backoff() }) {
    this.#dial = dial;
    this.#changed = changed;
    this.#lost = lost;
    this.#refused = refused;
    this.#backoff = backoff;
  }

  get state() {
    return this.#state;
  }

  /** Why it was refused, or was lost and has not come back yet, in words; empty otherwise. */
  get reason() {
    return this.#reason;
  }

  /** Nothing more will come of it: it was stopped, has ended, or was refused. */
  get stopped() {
    return this.#listening.signal.aborted;
  }

  /** Dial, and keep dialling until it is stopped, ended or refused. Where others have just failed, not at once. */
  start() {
    onWakeups(this.#listening.signal, {
      shaken: () => this.#check(),
      shown: () => (this.isWaiting || this.#silent_s() > STALE_S) && this.#open(),
      restored: () => this.#open(),
    });
    if (this.#backoff.isFresh) this.#open();
    else this.#retry = setTimeout(() => this.#open(), this.#backoff.next_s() * 1000);
  }

  /** Is there no wire, because the last one was lost and the next one is not due yet? */
  get isWaiting() {
    return this.#wire === null && !this.stopped;
  }

  /** Drop the wire and dial at once. One that is being made is left to it: several who ask for this may share it. */
  resync() {
    if (!this.stopped && !this.#isBeingMade) this.#open();
  }

  /** Hang up for good and say nothing more. Harmless when repeated. */
  stop() {
    this.#listening.abort();
    this.#hangUp();
  }

  /** Take note that a good message came. */
  heard() {
    this.#heardAt_ms = Date.now();
    this.#heardOnWire = true;
    this.#heard += 1;
    this.#backoff.reset();
  }

  /** Say how far the owner has come. */
  settle(/** @type {"live"|"catching-up"} */ state) {
    this.#set(state);
  }

  /** Give this wire up and dial again after a back-off. */
  again(/** @type {string} */ reason) {
    this.#again({ kind: "again", reason, reached: false });
  }

  /** The story is over: nothing more will come. */
  end() {
    if (this.stopped) return;
    this.stop();
    this.#state = "ended";
    this.#reason = "";
    this.#changed();
  }

  #open() {
    this.#hangUp();
    this.#heardAt_ms = Date.now();
    this.#heardOnWire = false;
    this.#set("connecting", this.#reason);
    if (this.stopped) return; // whoever heard of the change may have stopped us
    this.#wire = this.#dial((ending) => this.#closed(ending));
    this.#watch();
  }

  #closed(/** @type {Ending} */ ending) {
    switch (ending.kind) {
      case "again":
        return this.#again(ending);
      case "ended":
        return this.end();
      case "refused":
        return this.#refuse(ending);
    }
  }

  #again(/** @type {Again} */ ending) {
    if (this.stopped) return;
    this.#hangUp();
    const wait_s = (ending.retry_s ?? 0) + this.#backoff.next_s();
    this.#retry = setTimeout(() => this.#open(), wait_s * 1000);
    this.#set("offline", ending.reason);
    if (!this.stopped) this.#lost({ ...ending, reached: ending.reached || this.#heardOnWire });
  }

  #refuse(/** @type {Refused} */ ending) {
    if (this.stopped) return;
    this.stop();
    this.#state = "refused";
    this.#reason = ending.reason;
    this.#refused(ending);
  }

  #hangUp() {
    clearTimeout(this.#retry);
    clearTimeout(this.#watchdog);
    clearTimeout(this.#probing);
    this.#wire?.close();
    this.#wire = null;
  }

  #watch() {
    const left_s = (this.#heardOnWire ? SILENCE_S : OPENING_S) - this.#silent_s();
    if (left_s <= 0) return this.again("nothing was heard for too long");
    this.#watchdog = setTimeout(() => this.#watch(), left_s * 1000);
  }

  /** The network may be another one: look whether the wire still carries, and do not drop one that does. */
  #check() {
    if (this.stopped || this.#isBeingMade) return;
    if (!this.#wire?.probe()) return this.#open();
    const before = this.#heard;
    clearTimeout(this.#probing);
    this.#probing = setTimeout(() => this.#heard === before && this.#open(), PROBE_S * 1000);
  }

  get #isBeingMade() {
    return this.#wire !== null && !this.#heardOnWire;
  }

  #silent_s() {
    return (Date.now() - this.#heardAt_ms) / 1000;
  }

  #set(/** @type {ConnectionState} */ state, reason = "") {
    if (this.stopped) return;
    if (this.#state === state && this.#reason === reason) return;
    this.#state = state;
    this.#reason = reason;
    this.#changed();
  }
}
