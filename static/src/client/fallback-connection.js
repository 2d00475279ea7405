// @ts-check
/**
 * Keeps a set of subscriptions connected over the best wire that works.
 *
 * The wires race. The preferred one and polling start together, so that the first response brings the first state even
 * if a proxy holds the others back; the one between them follows if the preferred one is slow. The first wire that
 * brings a message is active until a better one does. A wire that fails while plain requests get through counts as
 * blocked and is left alone for a while.
 */
import { sleep } from "./deadline.js";
import { WireAttempt } from "./wire-attempt.js";
import { recallWire, rememberWire } from "./wire-memory.js";

/** @import { ConnectionState, Message, WireName } from "../../relay.js" */
/** @import { OpenWire, Refusal, SubscribeRequest } from "./wire-types.js" */

/** How long the preferred wire may take before the next one is tried in parallel. */
const HEAD_START_S = 1;

/** How long polling counts as connecting while a better wire may still open. */
const GRACE_S = 3;

/** How long a better wire waits for the first response to a plain request, whose state it then continues from. */
const FIRST_RESPONSE_S = 0.3;

/** How long a worse wire is used before the better ones are tried again in parallel. */
const UPGRADE_S = 150;

/**
 * @typedef {object} FallbackOptions
 * @property {URL} base
 * @property {ReadonlyMap<WireName, OpenWire>} wires the preferred one first
 * @property {() => SubscribeRequest[]} requests
 * @property {(message: Message, token?: string) => void} onMessage
 * @property {() => void} onChange
 * @property {(refusal: Refusal) => void} onRefuse the relay refuses all subscriptions
 */

export class FallbackConnection {
  #options;
  /** @type {WireName[]} the preferred one first */
  #names;
  /** @type {Map<WireName, WireAttempt>} */
  #attempts = new Map();
  /** @type {WireAttempt|null} */
  #active = null;
  /** @type {Set<WireAttempt>} failed while it was unknown whether plain requests get through */
  #suspects = new Set();
  /** @type {WireName} the wire that was opened first: the preferred one, or the one that worked last */
  #first;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #headStart;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #grace;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #upgrade;
  /** @type {() => void} */
  #resolveFirstResponse = () => {};
  #firstResponse;

  constructor(/** @type {FallbackOptions} */ options) {
    this.#options = options;
    this.#names = [...options.wires.keys()];
    this.#first = this.#names[0];
    /** @type {Promise<void>} */
    this.#firstResponse = new Promise((resolve) => {
      this.#resolveFirstResponse = resolve;
    });
  }

  /** The active wire, or the best one that is being tried. */
  get wire() {
    return this.#active?.name ?? this.#best?.name ?? this.#names[0];
  }

  /** @returns {ConnectionState} */
  get state() {
    if (!this.#active) return this.#best?.state === "offline" ? "offline" : "connecting";
    if (this.#active.name !== "poll" || this.#active.state !== "live") return this.#active.state;
    return this.#grace !== undefined && this.#best !== this.#active ? "connecting" : "polling";
  }

  /** Whether no messages arrive at the moment. */
  get isLost() {
    return this.#active?.state !== "live";
  }

  get reason() {
    return (this.#active ?? this.#best)?.reason ?? "";
  }

  /** When the next attempt starts, in unix seconds of the browser's clock; null while one is in progress. */
  get retryAt() {
    if (this.state !== "offline") return null;
    const times = [...this.#attempts.values()].map(({ retryAt }) => retryAt ?? -Infinity);
    const next = Math.min(...times);
    return Number.isFinite(next) ? next : null;
  }

  start() {
    if (this.#attempts.size) return;
    this.#first = recallWire(this.#options.base, this.#names);
    this.#open(this.#first);
    this.#race();
    if (this.#first !== this.#names[0]) this.#scheduleUpgrade();
  }

  stop() {
    for (const timer of [this.#headStart, this.#grace, this.#upgrade]) clearTimeout(timer);
    for (const attempt of this.#attempts.values()) attempt.stop();
    this.#attempts.clear();
    this.#suspects.clear();
    this.#active = null;
    this.#grace = undefined;
  }

  subscribe(/** @type {string} */ key) {
    for (const attempt of this.#attempts.values()) attempt.subscribe(key);
  }

  unsubscribe(/** @type {string} */ key) {
    for (const attempt of this.#attempts.values()) attempt.unsubscribe(key);
  }

  renew(/** @type {string} */ key) {
    for (const attempt of this.#attempts.values()) attempt.renew(key);
  }

  resync() {
    for (const attempt of this.#attempts.values()) attempt.retryNow();
    (this.#active ?? this.#best)?.resync();
  }

  drop(/** @type {string} */ reason) {
    (this.#active ?? this.#best)?.drop(reason);
  }

  get #best() {
    return this.#names.map((name) => this.#attempts.get(name)).find((attempt) => attempt !== undefined);
  }

  /** Return the position of an attempt, 0 being the best; behind all others for null. */
  #rank(/** @type {WireAttempt|null} */ attempt) {
    return attempt ? this.#names.indexOf(attempt.name) : this.#names.length;
  }

  /** With no active wire, start polling in parallel with the current attempts; the wires in between follow. */
  #race() {
    if (!this.#attempts.size) this.#open(this.#names[0]);
    this.#open(this.#names[this.#names.length - 1]);
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      this.#grace = undefined;
      this.#options.onChange();
    }, GRACE_S * 1000);
    this.#giveHeadStart();
  }

  #giveHeadStart() {
    clearTimeout(this.#headStart);
    this.#headStart = setTimeout(() => {
      const best = this.#best;
      if (!best || best === this.#active) return;
      // If plain requests fail as well, the relay is probably down, and more wires would only add load when it returns.
      // If it stays down, the next wire may be the only one that gets through.
      if (this.#attempts.get("poll")?.state === "offline" && this.#grace !== undefined) return this.#giveHeadStart();
      this.#openAfter(best);
    }, HEAD_START_S * 1000);
  }

  #openAfter(/** @type {WireAttempt} */ attempt) {
    const next = this.#names[this.#rank(attempt) + 1];
    if (next && this.#names.indexOf(next) < this.#rank(this.#active)) this.#open(next);
  }

  #open(/** @type {WireName} */ name) {
    const openWire = this.#options.wires.get(name);
    if (this.#attempts.has(name) || !openWire) return;
    const { base, requests } = this.#options;
    const ready = () => Promise.race([this.#firstResponse, sleep(FIRST_RESPONSE_S)]);
    const options = { base, requests, ready };
    /** @type {WireAttempt} */
    const attempt = new WireAttempt(name, openWire, options, {
      onMessage: (message, token) => this.#receive(attempt, message, token),
      onChange: () => this.#options.onChange(),
      onFail: () => this.#failed(attempt),
      onRefuse: (refusal) => this.#refused(attempt, refusal),
    });
    this.#attempts.set(name, attempt);
    attempt.start();
  }

  #close(/** @type {WireAttempt} */ attempt) {
    attempt.stop();
    this.#suspects.delete(attempt);
    if (this.#attempts.get(attempt.name) === attempt) this.#attempts.delete(attempt.name);
  }

  #receive(/** @type {WireAttempt} */ attempt, /** @type {Message} */ message, /** @type {string|undefined} */ token) {
    // A ping does not show that the wire works: a relay that is at its connection limit pings as well.
    if (message.type !== "ping" && attempt !== this.#active) this.#activate(attempt);
    if (attempt === this.#active) this.#options.onMessage(message, token);
    if (attempt.name === "poll") this.#plainRequestsWork();
  }

  #activate(/** @type {WireAttempt} */ attempt) {
    if (this.#rank(attempt) > this.#rank(this.#active)) return;
    this.#active = attempt;
    this.#suspects.delete(attempt);
    for (const other of [...this.#attempts.values()]) if (this.#rank(other) > this.#rank(attempt)) this.#close(other);
    this.#settle();
    this.#options.onChange();
  }

  /** Retry what has failed meanwhile: either the relay was down then, or the wire is blocked. */
  #plainRequestsWork() {
    this.#resolveFirstResponse();
    for (const attempt of this.#suspects) attempt.retryNow();
    this.#suspects.clear();
  }

  #failed(/** @type {WireAttempt} */ attempt) {
    if (attempt.name === "poll") return this.#resolveFirstResponse();
    const hasSubstitute = this.#active !== null && this.#active !== attempt;
    if (hasSubstitute || this.#attempts.get("poll")?.state === "live") return this.#block(attempt);
    this.#suspects.add(attempt);
    if (attempt === this.#active) {
      this.#active = null;
      this.#race();
    }
  }

  #block(/** @type {WireAttempt} */ attempt) {
    if (attempt === this.#active) this.#active = null;
    this.#close(attempt);
    this.#openAfter(attempt);
    if (attempt.name === this.#first && attempt.name !== this.#names[0]) {
      this.#first = this.#names[0]; // the wire that worked last no longer does: try them all
      this.#open(this.#first);
    }
    if (!this.#active) this.#race();
    this.#settle();
    this.#options.onChange();
  }

  /** Once no better wire is being tried, remember the active one for the next page. */
  #settle() {
    if (!this.#active || this.#best !== this.#active) return;
    const isPreferred = this.#active.name === this.#names[0];
    if (isPreferred) clearTimeout(this.#upgrade);
    else this.#scheduleUpgrade();
    rememberWire(this.#options.base, this.#active.name, isPreferred);
  }

  #scheduleUpgrade() {
    clearTimeout(this.#upgrade);
    this.#upgrade = setTimeout(() => this.#open(this.#names[0]), UPGRADE_S * (1 + Math.random()) * 1000);
  }

  #refused(/** @type {WireAttempt} */ attempt, /** @type {Refusal} */ refusal) {
    const isTrial = this.#active !== null && this.#active !== attempt;
    this.#close(attempt);
    if (isTrial) return this.#settle();
    this.stop();
    this.#options.onRefuse(refusal);
  }
}
