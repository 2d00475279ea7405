// @ts-check
/**
 * Serves a set of subscriptions by the best wire that works, the others standing in until it does.
 *
 * The wires race: the best one and polling begin together, so that the first answer shows the first state whatever a
 * proxy does to the others; the one between them follows if the best is slow. The first that brings something serves,
 * until a better one does. A wire that fails while plain calls get through is blocked, and left alone for a while.
 *
 * @typedef {import("./types.js").ConnectionState} ConnectionState
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").WireName} WireName
 */
import { wait } from "./deadline.js";
import { Rung } from "./wire-attempt.js";
import { recallWire, rememberWire } from "./wire-memory.js";

/** The best wire has so long before the next one is tried beside it. */
const HEAD_START_S = 1;

/** So long is polling only a beginning, as long as a better wire may still come. */
const GRACE_S = 3;

/** So long does a better wire wait for the first answer of a plain call, from whose state it then goes on. */
const OVERTURE_S = 0.3;

/** A worse wire serves for so long before the better ones are tried again, beside it. */
const CLIMB_S = 150;

/**
 * @typedef {object} LineParts
 * @property {URL} base
 * @property {ReadonlyMap<WireName, import("./types.js").OpenWire>} wires the best first
 * @property {() => import("./types.js").Entry[]} entries
 * @property {(message: Message, token?: string) => void} hear
 * @property {() => void} changed
 * @property {(ending: import("./types.js").Refused) => void} refused the relay wants none of the subscriptions
 */

export class Line {
  #parts;
  /** @type {WireName[]} */
  #ladder;
  /** @type {Map<WireName, Rung>} */
  #rungs = new Map();
  /** @type {Rung|null} */
  #serving = null;
  /** @type {Set<Rung>} failed while it was not known whether plain calls get through */
  #suspects = new Set();
  /** @type {WireName} the wire that was begun with; the best one where nothing is known of this relay */
  #first;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #headStart;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #grace;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #climbing;
  /** @type {() => void} */
  #endOverture = () => {};
  #overture;

  constructor(/** @type {LineParts} */ parts) {
    this.#parts = parts;
    this.#ladder = [...parts.wires.keys()];
    this.#first = this.#ladder[0];
    this.#overture = /** @type {Promise<void>} */ (new Promise((resolve) => (this.#endOverture = resolve)));
  }

  /** The wire that serves, or else the best of those that are tried. */
  get wire() {
    return this.#serving?.name ?? this.#best?.name ?? this.#ladder[0];
  }

  /** @returns {ConnectionState} */
  get state() {
    if (!this.#serving) return this.#best?.state === "offline" ? "offline" : "connecting";
    if (this.#serving.name !== "poll" || this.#serving.state !== "live") return this.#serving.state;
    return this.#grace !== undefined && this.#best !== this.#serving ? "connecting" : "polling";
  }

  /** Does nothing come at the moment? */
  get isLost() {
    return this.#serving?.state !== "live";
  }

  get reason() {
    return (this.#serving ?? this.#best)?.reason ?? "";
  }

  start() {
    if (this.#rungs.size) return;
    this.#first = recallWire(this.#parts.base, this.#ladder);
    this.#open(this.#first);
    this.#race();
    if (this.#first !== this.#ladder[0]) this.#climbLater();
  }

  stop() {
    for (const timer of [this.#headStart, this.#grace, this.#climbing]) clearTimeout(timer);
    for (const rung of this.#rungs.values()) rung.stop();
    this.#rungs.clear();
    this.#suspects.clear();
    this.#serving = null;
    this.#grace = undefined;
  }

  ask(/** @type {string} */ key) {
    for (const rung of this.#rungs.values()) rung.ask(key);
  }

  drop(/** @type {string} */ key) {
    for (const rung of this.#rungs.values()) rung.drop(key);
  }

  renew(/** @type {string} */ key) {
    for (const rung of this.#rungs.values()) rung.renew(key);
  }

  resync() {
    (this.#serving ?? this.#best)?.resync();
  }

  cut(/** @type {string} */ reason) {
    (this.#serving ?? this.#best)?.cut(reason);
  }

  get #best() {
    return this.#ladder.map((name) => this.#rungs.get(name)).find((rung) => rung !== undefined);
  }

  #rank(/** @type {Rung|null} */ rung) {
    return rung ? this.#ladder.indexOf(rung.name) : this.#ladder.length;
  }

  /** Nothing serves: let polling begin beside what is being tried, and the wires between follow. */
  #race() {
    if (!this.#rungs.size) this.#open(this.#ladder[0]);
    this.#open(this.#ladder[this.#ladder.length - 1]);
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      this.#grace = undefined;
      this.#parts.changed();
    }, GRACE_S * 1000);
    this.#giveHeadStart();
  }

  #giveHeadStart() {
    clearTimeout(this.#headStart);
    this.#headStart = setTimeout(() => {
      const best = this.#best;
      if (!best || best === this.#serving) return;
      // Where plain calls fail, too, the relay is probably away, and more wires would only be more load when it comes
      // back. If it is not back soon, the next wire may be the only one that passes.
      if (this.#rungs.get("poll")?.state === "offline" && this.#grace !== undefined) return this.#giveHeadStart();
      this.#openAfter(best);
    }, HEAD_START_S * 1000);
  }

  #openAfter(/** @type {Rung} */ rung) {
    const next = this.#ladder[this.#rank(rung) + 1];
    if (next && this.#ladder.indexOf(next) < this.#rank(this.#serving)) this.#open(next);
  }

  #open(/** @type {WireName} */ name) {
    const open = this.#parts.wires.get(name);
    if (this.#rungs.has(name) || !open) return;
    const { base, entries } = this.#parts;
    const ready = () => Promise.race([this.#overture, wait(OVERTURE_S)]);
    /** @type {Rung} */
    const rung = new Rung(
      name,
      open,
      { base, entries, ready },
      {
        hear: (message, token) => this.#hear(rung, message, token),
        changed: () => this.#parts.changed(),
        failed: () => this.#failed(rung),
        refused: (ending) => this.#refused(rung, ending),
      },
    );
    this.#rungs.set(name, rung);
    rung.start();
  }

  #close(/** @type {Rung} */ rung) {
    rung.stop();
    this.#suspects.delete(rung);
    if (this.#rungs.get(rung.name) === rung) this.#rungs.delete(rung.name);
  }

  #hear(/** @type {Rung} */ rung, /** @type {Message} */ message, /** @type {string|undefined} */ token) {
    // Only what is about a subscription shows that a wire serves: a relay that has no place left pings, too.
    if (message.type !== "ping" && rung !== this.#serving) this.#serve(rung);
    if (rung === this.#serving) this.#parts.hear(message, token);
    if (rung.name === "poll") this.#answered();
  }

  #serve(/** @type {Rung} */ rung) {
    if (this.#rank(rung) > this.#rank(this.#serving)) return;
    this.#serving = rung;
    this.#suspects.delete(rung);
    for (const other of [...this.#rungs.values()]) if (this.#rank(other) > this.#rank(rung)) this.#close(other);
    this.#settle();
    this.#parts.changed();
  }

  /** Plain calls get through: what has failed meanwhile failed with the relay, or is blocked. The next try tells. */
  #answered() {
    this.#endOverture();
    for (const rung of this.#suspects) rung.hurry();
    this.#suspects.clear();
  }

  #failed(/** @type {Rung} */ rung) {
    if (rung.name === "poll") return this.#endOverture();
    const isStoodIn = this.#serving !== null && this.#serving !== rung;
    if (isStoodIn || this.#rungs.get("poll")?.state === "live") return this.#block(rung);
    this.#suspects.add(rung);
    if (rung === this.#serving) {
      this.#serving = null;
      this.#race();
    }
  }

  #block(/** @type {Rung} */ rung) {
    if (rung === this.#serving) this.#serving = null;
    this.#close(rung);
    this.#openAfter(rung);
    if (rung.name === this.#first && rung.name !== this.#ladder[0]) {
      this.#first = this.#ladder[0]; // what was remembered holds no more: all of them are worth a try
      this.#open(this.#first);
    }
    if (!this.#serving) this.#race();
    this.#settle();
    this.#parts.changed();
  }

  /** What serves while nothing better is tried is what the next page should begin with. */
  #settle() {
    if (!this.#serving || this.#best !== this.#serving) return;
    const isBest = this.#serving.name === this.#ladder[0];
    if (isBest) clearTimeout(this.#climbing);
    else this.#climbLater();
    rememberWire(this.#parts.base, this.#serving.name, isBest);
  }

  #climbLater() {
    clearTimeout(this.#climbing);
    this.#climbing = setTimeout(() => this.#open(this.#ladder[0]), CLIMB_S * (1 + Math.random()) * 1000);
  }

  #refused(/** @type {Rung} */ rung, /** @type {import("./types.js").Refused} */ ending) {
    const isTrial = this.#serving !== null && this.#serving !== rung;
    this.#close(rung);
    if (isTrial) return this.#settle();
    this.stop();
    this.#parts.refused(ending);
  }
}
