// @ts-check
/**
 * Brings the messages about one task or one tag by whichever way works: the shared WebSocket, else an event stream of its
 * own, else polling; and looks again from time to time whether a better way has opened.
 *
 * It owns the choice of the way, the token, and the state of the connection. What a message means is its owner's
 * business.
 *
 * @typedef {import("./types.js").Aim} Aim
 * @typedef {import("./types.js").ConnectionState} ConnectionState
 * @typedef {import("./types.js").FaultCode} FaultCode
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").Way} Way
 * @typedef {import("./types.js").WireName} WireName
 */
import { Credential } from "./credential.js";
import { SingleWire } from "./single-wire.js";
import { SocketSeat } from "./socket-seat.js";

/** A worse way is kept for so long before the better ones are tried again, beside it. */
const CLIMB_S = 150;

/** @type {{task: WireName[], tag: WireName[]}} */
const LADDER = { task: ["ws", "sse", "poll"], tag: ["ws", "poll"] };

/** @type {Set<ConnectionState>} */
const STANDING = new Set(["catching-up", "live", "polling"]);

/** @typedef {{name: WireName, way: Way}} Rung */

export class Subscription {
  #base;
  #aim;
  #cursor;
  #hear;
  #changed;
  #credential;
  #ladder;
  #wire;
  /** @type {Rung|null} */
  #rung = null;
  /** @type {Rung|null} a better way that is tried while the worse one still serves */
  #trial = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #climbing;
  /** @type {ConnectionState} */
  #state = "connecting";
  #reason = "";
  /** @type {FaultCode|null} */
  #fault = null;
  /** @type {number|null} */
  #offlineSince = null;
  /** @type {number|null} */
  #heardAt = null;
  #clockOffset_s = 0;
  #renewedInVain = false;
  #stopped = false;

  /**
   * @param {object} parts
   * @param {URL} parts.base
   * @param {Aim} parts.aim
   * @param {string} [parts.token]
   * @param {import("./types.js").GetToken} [parts.getToken]
   * @param {WireName} [parts.wire] the best way to try
   * @param {() => string|null} parts.cursor where to go on from; null asks for the whole state
   * @param {(message: Message) => void} parts.hear
   * @param {() => void} parts.changed called after each change of `state`
   */
  constructor({ base, aim, token, getToken, wire = "ws", cursor, hear, changed }) {
    this.#base = base;
    this.#aim = aim;
    this.#cursor = cursor;
    this.#hear = hear;
    this.#changed = changed;
    const ladder = "tag" in aim ? LADDER.tag : LADDER.task;
    this.#ladder = ladder.slice(Math.max(0, ladder.indexOf(wire)));
    this.#wire = this.#ladder[0];
    this.#credential = new Credential({
      token,
      getToken,
      aim,
      now_s: () => Date.now() / 1000 + this.#clockOffset_s,
      renewed: (fresh) => this.#rung?.way.renew(fresh),
      troubled: (reason) => STANDING.has(this.#state) || this.#set("offline", reason),
    });
  }

  get state() {
    return this.#state;
  }

  /** Why it was refused, or was lost and has not come back yet; else empty. */
  get reason() {
    return this.#reason;
  }

  /** What the relay refuses it for; null while it does not. */
  get fault() {
    return this.#fault;
  }

  /** Since when the connection is lost, in unix seconds by our clock; null while it is not. */
  get offlineSince() {
    return this.#offlineSince;
  }

  /** When anything was heard last, in unix seconds by our clock. */
  get heardAt() {
    return this.#heardAt;
  }

  /** The relay's clock minus ours. */
  get clockOffset_s() {
    return this.#clockOffset_s;
  }

  /** The way that serves, or is being tried. */
  get wire() {
    return this.#wire;
  }

  start() {
    if (!this.#stopped) this.#serve(this.#open(this.#ladder[0]));
  }

  /** Hang up for good, and say nothing more. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#climbing);
    this.#credential.stop();
    this.#rung?.way.stop();
    this.#trial?.way.stop();
    this.#rung = this.#trial = null;
  }

  /** Say how far the owner has come. */
  settle(/** @type {"live"|"catching-up"} */ state) {
    this.#set(state === "live" && this.#wire === "poll" ? "polling" : state);
  }

  /** The story is over. */
  end() {
    this.#finish("ended", "");
  }

  askAnew(/** @type {string} */ reason) {
    this.#rung?.way.askAnew(reason);
  }

  resync() {
    this.#rung?.way.resync();
  }

  cut(/** @type {string} */ reason) {
    this.#rung?.way.cut(reason);
  }

  renew(/** @type {string} */ token) {
    this.#credential.replace(token);
  }

  /**
   * @param {WireName} name
   * @returns {Rung}
   */
  #open(name) {
    /** @type {Rung} */
    let rung;
    /** @type {import("./types.js").WayHandlers} */
    const handlers = {
      hear: (message) => this.#receive(rung, message),
      changed: () => this.#rung === rung && this.#follow(rung.way),
      blocked: () => this.#blocked(rung),
      fault: (code, reason) => this.#refused(rung, code, reason),
      ended: () => this.#rung === rung && this.end(),
    };
    const parts = {
      base: this.#base,
      aim: this.#aim,
      cursor: () => (this.#rung === rung ? this.#cursor() : null), // one on trial begins with the whole state
      credential: this.#credential,
      handlers,
    };
    rung = { name, way: name === "ws" ? new SocketSeat(parts) : new SingleWire(name, parts) };
    return rung;
  }

  #receive(/** @type {Rung} */ rung, /** @type {Message} */ message) {
    if (this.#stopped) return;
    if (rung === this.#trial) {
      if (message.type !== "snapshot" && message.type !== "listed") return; // only now it surely serves us
      this.#rung?.way.stop();
      this.#serve(rung);
      this.#trial = null;
      this.#climbLater();
    }
    if (rung !== this.#rung) return;
    const { at } = /** @type {{at?: number}} */ (message);
    const now_s = Date.now() / 1000;
    this.#heardAt = now_s;
    // Events carry a time too, but that of what they tell of.
    const saysNow = message.type === "snapshot" || message.type === "resumed" || message.type === "ping";
    if (saysNow && typeof at === "number") this.#clockOffset_s = at - now_s;
    if (message.type !== "ping") this.#renewedInVain = false;
    this.#hear(message);
  }

  /** A way that stands is not live yet: what it brings is. */
  #follow(/** @type {Way} */ { state, reason }) {
    if (state === "connecting" || state === "offline") this.#set(state, reason);
  }

  #blocked(/** @type {Rung} */ rung) {
    rung.way.stop();
    const next = this.#ladder[this.#ladder.indexOf(rung.name) + 1];
    if (this.#stopped || !next) return;
    if (rung === this.#rung) {
      this.#serve(this.#open(next));
      this.#climbLater();
    } else if (rung === this.#trial) {
      this.#trial = next === this.#rung?.name ? null : this.#open(next);
      if (!this.#trial) this.#climbLater();
    }
  }

  #climbLater() {
    clearTimeout(this.#climbing);
    const [best] = this.#ladder;
    if (this.#rung?.name === best) return;
    const wait_s = CLIMB_S * (1 + Math.random());
    this.#climbing = setTimeout(() => {
      this.#trial?.way.stop();
      this.#trial = this.#open(best);
    }, wait_s * 1000);
  }

  #refused(/** @type {Rung} */ rung, /** @type {FaultCode} */ code, /** @type {string} */ reason) {
    if (this.#stopped) return;
    if (rung === this.#trial) {
      this.#trial = null;
      return this.#climbLater();
    }
    if (rung !== this.#rung) return;
    const aboutToken = code === "token_expired" || code === "unauthorized";
    if (!aboutToken || !this.#credential.canRenew || this.#renewedInVain) {
      this.#fault = code;
      return this.#finish("refused", reason);
    }
    this.#renewedInVain = true;
    this.#credential.expire();
    this.#set("connecting", reason);
    this.#serve(this.#open(rung.name));
  }

  #serve(/** @type {Rung} */ rung) {
    this.#rung = rung;
    this.#wire = rung.name;
  }

  #finish(/** @type {"ended"|"refused"} */ state, /** @type {string} */ reason) {
    if (this.#stopped) return;
    this.stop();
    this.#state = state;
    this.#reason = reason;
    this.#offlineSince = null;
    this.#changed();
  }

  #set(/** @type {ConnectionState} */ state, reason = "") {
    if (this.#stopped || (this.#state === state && this.#reason === reason)) return;
    this.#state = state;
    this.#reason = reason;
    if (state === "offline") this.#offlineSince ??= Date.now() / 1000;
    else if (state !== "connecting") this.#offlineSince = null;
    this.#changed();
  }
}
