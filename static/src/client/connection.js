// @ts-check
/**
 * Keeps one wire open: opens it, detects silence, backs off, and reconnects at once when the browser wakes up.
 *
 * It owns the timers and listens to the browser's hints. It knows no topics and never reads a message: its owner opens
 * the wire and reports what arrives.
 */
import { Backoff } from "./backoff.js";
import { onWakeups } from "./wakeups.js";

/** @import { CloseReason, Refusal, Retry, Wire } from "./wire-types.js" */
/** @typedef {"connecting"|"live"|"offline"|"ended"|"refused"} WireState */

/** The relay sends something at least every 15 s. After this long the wire is dead, even if the browser has not noticed. */
const SILENCE_S = 20;
/** A page that was asleep does not wait for the watchdog: a single missed ping is enough. */
const STALE_S = 16;

/** How long a wire may take until its first message. After this long, something in between holds it back. */
const OPENING_S = 15;

/** How long the answer to a probe may take. */
const PROBE_S = 5;

export class Connection {
  #openWire;
  #onChange;
  #onLost;
  #onRefuse;
  #backoff = new Backoff();
  /** @type {Wire|null} */
  #wire = null;
  /** @type {WireState} */
  #state = "connecting";
  #reason = "";
  #lastMessage_ms = 0;
  #hasMessages = false;
  #messageCount = 0;
  /** @type {number|null} */
  #retryAt = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #probeTimer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #watchdog;
  #stopping = new AbortController();

  /**
   * @param {object} options
   * @param {(onClose: (reason: CloseReason) => void) => Wire} options.open opens a wire
   * @param {() => void} options.onChange called after each change of `state`, except to `refused`
   * @param {(loss: Retry) => void} options.onLost called when a wire was lost; `reached` includes its messages
   * @param {(refusal: Refusal) => void} options.onRefuse
   */
  constructor({ open, onChange, onLost, onRefuse }) {
    this.#openWire = open;
    this.#onChange = onChange;
    this.#onLost = onLost;
    this.#onRefuse = onRefuse;
  }

  get state() {
    return this.#state;
  }

  /** Why the connection is lost or was refused; otherwise empty. */
  get reason() {
    return this.#reason;
  }

  /** When the next attempt starts, in unix seconds of the browser's clock; null unless it is scheduled. */
  get retryAt() {
    return this.#retryAt;
  }

  /** Whether it was stopped, has ended, or was refused. */
  get stopped() {
    return this.#stopping.signal.aborted;
  }

  /** Whether the wire was lost and the next attempt is scheduled. */
  get isWaiting() {
    return this.#wire === null && !this.stopped;
  }

  /** Connect, and reconnect until it is stopped, ended or refused. */
  start() {
    onWakeups(this.#stopping.signal, {
      onNetworkChange: () => this.#checkWire(),
      onVisible: () => (this.isWaiting || this.#silence_s() > STALE_S) && this.#open(),
      onRestore: () => this.#open(),
    });
    this.#open();
  }

  /** Drop the wire and reconnect at once. A wire that is still opening is kept: several callers may share it. */
  resync() {
    if (!this.stopped && !this.#isOpening) this.#open();
  }

  /** Close the wire for good, without a callback. May be called repeatedly. */
  stop() {
    this.#stopping.abort();
    this.#closeWire();
  }

  /** Record that a message arrived. */
  markAlive() {
    this.#lastMessage_ms = Date.now();
    this.#hasMessages = true;
    this.#messageCount += 1;
    this.#backoff.reset();
    this.#set("live");
  }

  /** Drop the wire and reconnect after a back-off. */
  drop(/** @type {string} */ reason) {
    this.#retry({ kind: "retry", reason, reached: false });
  }

  #open() {
    this.#closeWire();
    this.#lastMessage_ms = Date.now();
    this.#hasMessages = false;
    this.#set("connecting", this.#reason);
    if (this.stopped) return; // a handler may have stopped it
    this.#wire = this.#openWire((reason) => this.#closed(reason));
    this.#watch();
  }

  #closed(/** @type {CloseReason} */ reason) {
    switch (reason.kind) {
      case "retry":
        return this.#retry(reason);
      case "ended":
        return this.#end();
      case "refused":
        return this.#refuse(reason);
    }
  }

  #retry(/** @type {Retry} */ loss) {
    if (this.stopped) return;
    this.#closeWire();
    const wait_s = (loss.retry_s ?? 0) + this.#backoff.next_s();
    this.#retryAt = Date.now() / 1000 + wait_s;
    this.#retryTimer = setTimeout(() => this.#open(), wait_s * 1000);
    this.#set("offline", loss.reason);
    if (!this.stopped) this.#onLost({ ...loss, reached: loss.reached || this.#hasMessages });
  }

  #end() {
    if (this.stopped) return;
    this.stop();
    this.#state = "ended";
    this.#reason = "";
    this.#onChange();
  }

  #refuse(/** @type {Refusal} */ refusal) {
    if (this.stopped) return;
    this.stop();
    this.#state = "refused";
    this.#reason = refusal.reason;
    this.#onRefuse(refusal);
  }

  #closeWire() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchdog);
    clearTimeout(this.#probeTimer);
    this.#retryAt = null;
    this.#wire?.close();
    this.#wire = null;
  }

  #watch() {
    const left_s = (this.#hasMessages ? SILENCE_S : OPENING_S) - this.#silence_s();
    if (left_s <= 0) return this.drop("nothing was received for too long");
    this.#watchdog = setTimeout(() => this.#watch(), left_s * 1000);
  }

  /** The network may have changed: reconnect, unless a probe shows that the wire still works. */
  #checkWire() {
    if (this.stopped || this.#isOpening) return;
    if (!this.#wire?.probe()) return this.#open();
    const before = this.#messageCount;
    clearTimeout(this.#probeTimer);
    this.#probeTimer = setTimeout(() => this.#messageCount === before && this.#open(), PROBE_S * 1000);
  }

  get #isOpening() {
    return this.#wire !== null && !this.#hasMessages;
  }

  #silence_s() {
    return (Date.now() - this.#lastMessage_ms) / 1000;
  }

  #set(/** @type {WireState} */ state, reason = "") {
    if (this.stopped) return;
    if (this.#state === state && this.#reason === reason) return;
    this.#state = state;
    this.#reason = reason;
    this.#onChange();
  }
}
