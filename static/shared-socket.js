// @ts-check
/**
 * One WebSocket for everything on a page that follows something at one relay.
 *
 * It owns the connection and who is told what. Each member brings its own token, and a fault ends only that one.
 * Members of one aim share a subscription: when one more joins, or one has lost its place, the whole state is asked for,
 * and all of them begin with it. The socket stands while it has members.
 *
 * @typedef {import("./types.js").Aim} Aim
 * @typedef {import("./types.js").Ending} Ending
 * @typedef {import("./types.js").FaultCode} FaultCode
 * @typedef {import("./types.js").Message} Message
 */
import { Backoff } from "./backoff.js";
import { Connection } from "./connection.js";
import { parse } from "./message.js";
import { Blockage } from "./probe.js";
import { openSocket } from "./socket.js";

/** A socket that did not get through is not tried again for so long. */
const BLOCKED_S = 120;

/**
 * @typedef {object} Member
 * @property {Aim} aim
 * @property {() => string|null} cursor where to go on from
 * @property {() => Promise<string|null>} token null where there is none to be had
 * @property {() => void} expire the relay takes the token for expired
 * @property {import("./types.js").WayHandlers} handlers
 */

export class SharedSocket {
  #url;
  /** @type {Map<string, Member[]>} by what they follow; the first brings the token */
  #members = new Map();
  /** @type {Map<string, object>} the latest wish for each aim; an older one that still waits for its token is void */
  #wishes = new Map();
  /** @type {Set<string>} what this wire is subscribed to */
  #subscribed = new Set();
  /** @type {Connection|null} */
  #connection = null;
  #isOpen = false;
  #backoff = new Backoff();
  #blockage;
  #blockedUntil_ms = 0;
  /** @type {Member|null} whose token was sent last: when the relay closes for a token, it is that one */
  #renewing = null;

  constructor(/** @type {URL} */ base) {
    this.#url = new URL("v1/ws", base);
    this.#blockage = new Blockage(base, () => this.#block());
  }

  get state() {
    return this.#connection?.state ?? "connecting";
  }

  get reason() {
    return this.#connection?.reason ?? "";
  }

  /** Take `member` in; it hears of everything by its handlers, and not before the next turn. */
  join(/** @type {Member} */ member) {
    const key = keyOf(member.aim);
    this.#members.set(key, [...(this.#members.get(key) ?? []), member]);
    queueMicrotask(() => {
      if (!this.#has(member)) return;
      if (Date.now() < this.#blockedUntil_ms) member.handlers.blocked();
      else if (!this.#connection) this.#connect();
      else if (this.#isOpen) this.#ask(key);
      else member.handlers.changed();
    });
  }

  /** Let `member` go. The socket follows at the next turn if that was the last: an element may only be moving. */
  leave(/** @type {Member} */ member) {
    const key = keyOf(member.aim);
    const others = (this.#members.get(key) ?? []).filter((other) => other !== member);
    if (others.length) {
      this.#members.set(key, others);
      return;
    }
    this.#members.delete(key);
    this.#wishes.delete(key);
    this.#unsubscribe(key);
    setTimeout(() => this.#members.size || this.#hangUp());
  }

  /** Ask for the state that `member` follows again: without a cursor, because it has lost its place. */
  askAnew(/** @type {Member} */ member) {
    if (this.#isOpen && this.#has(member)) this.#ask(keyOf(member.aim));
  }

  /** Carry on, in place, what `token` covers. */
  renew(/** @type {Member} */ member, /** @type {string} */ token) {
    if (!this.#isOpen || !this.#subscribed.has(keyOf(member.aim))) return; // the next subscribe takes it along
    this.#renewing = member;
    this.#send({ type: "auth", token });
  }

  resync() {
    this.#connection?.resync();
  }

  cut(/** @type {string} */ reason) {
    this.#connection?.again(reason);
  }

  #connect() {
    this.#connection = new Connection({
      dial: (closed) => this.#dial(closed),
      changed: () => this.#each(({ handlers }) => handlers.changed()),
      lost: ({ reached, expired }) => {
        this.#isOpen = false;
        if (expired) this.#each((member) => member.expire());
        if (!reached) this.#blockage.suspect();
      },
      refused: ({ code, reason }) => {
        const all = [...this.#members.values()].flat();
        this.#members.clear();
        this.#hangUp(); // whoever joins from now on begins with a new connection
        for (const { handlers } of all) handlers.fault(code, reason);
      },
      backoff: this.#backoff,
    });
    this.#connection.start();
  }

  #dial(/** @type {(ending: Ending) => void} */ closed) {
    this.#isOpen = false;
    this.#subscribed.clear();
    return openSocket(this.#url, ["relay.v1"], {
      opened: () => {
        this.#isOpen = true;
        for (const key of this.#members.keys()) this.#ask(key);
      },
      message: (text) => this.#receive(text),
      closed: (ending) => closed(this.#judge(ending)),
    });
  }

  /**
   * The socket is opened without a token, so a refusal is about the token that one member sent last; and one that comes
   * before anything was asked is about our silence while tokens were fetched.
   *
   * @param {Ending} ending
   * @returns {Ending}
   */
  #judge(ending) {
    if (ending.kind !== "refused") return ending;
    const { reason, code } = ending;
    const again = /** @type {Ending} */ ({ kind: "again", reason, reached: true });
    if (this.#subscribed.size === 0) return again;
    const member = this.#renewing;
    if (code === "protocol" || !member) return ending;
    this.#renewing = null;
    if (!this.#has(member)) return again;
    this.leave(member);
    member.handlers.fault(code, reason);
    return again;
  }

  async #ask(/** @type {string} */ key) {
    const wish = {};
    this.#wishes.set(key, wish);
    const asker = this.#members.get(key)?.[0];
    const token = await asker?.token();
    const members = this.#members.get(key);
    if (!asker || !members || !this.#isOpen || this.#wishes.get(key) !== wish) return;
    if (!token) return this.#fault(key, "unauthorized", "there is no token");
    this.#unsubscribe(key);
    this.#subscribed.add(key);
    const cursors = new Set(members.map((member) => member.cursor()));
    const cursor = cursors.size === 1 ? [...cursors][0] : null;
    this.#send({ type: "subscribe", ...asker.aim, token, ...(cursor && { cursor }) });
  }

  #unsubscribe(/** @type {string} */ key) {
    if (!this.#subscribed.delete(key) || !this.#isOpen) return;
    const [kind, name] = partsOf(key);
    this.#send({ type: "unsubscribe", [kind]: name });
  }

  #send(/** @type {object} */ message) {
    this.#connection?.send(JSON.stringify(message));
  }

  #receive(/** @type {string} */ text) {
    const message = parse(text);
    if (message === null) return this.#connection?.again("the relay sent what is no message");
    this.#blockage.clear();
    this.#connection?.heard();
    this.#connection?.settle("live");
    const key = subjectOf(message);
    if (message.type === "error") {
      const { code, detail = "" } = /** @type {import("./types.js").ErrorMessage} */ (message);
      if (key) this.#fault(key, code, detail);
      return;
    }
    this.#each(({ aim, handlers }) => {
      // A tag's tasks come under their own names: which tag they belong to its members find out.
      const perhaps = "tag" in aim && key?.startsWith("task ");
      if (key === null || key === keyOf(aim) || perhaps) handlers.hear(message);
    });
  }

  /** The one whose token was used is out; any other goes on with its own. */
  #fault(/** @type {string} */ key, /** @type {FaultCode} */ code, /** @type {string} */ reason) {
    this.#subscribed.delete(key);
    const asker = this.#members.get(key)?.[0];
    if (!asker) return;
    this.leave(asker);
    if (this.#members.has(key)) this.#ask(key);
    asker.handlers.fault(code, reason);
  }

  #block() {
    this.#blockedUntil_ms = Date.now() + BLOCKED_S * 1000;
    this.#hangUp();
    this.#backoff.reset();
    this.#each(({ handlers }) => handlers.blocked());
  }

  #hangUp() {
    this.#connection?.stop();
    this.#connection = null;
    this.#isOpen = false;
    this.#renewing = null;
    this.#subscribed.clear();
  }

  #has(/** @type {Member} */ member) {
    return this.#members.get(keyOf(member.aim))?.includes(member) ?? false;
  }

  /** Whoever hears of something may leave or join, so it goes by who is there now. */
  #each(/** @type {(member: Member) => void} */ tell) {
    for (const member of [...this.#members.values()].flat()) if (this.#has(member)) tell(member);
  }
}

function keyOf(/** @type {Aim} */ aim) {
  return "tag" in aim ? `tag ${aim.tag}` : `task ${aim.task}`;
}

/** @returns {["task"|"tag", string]} */
function partsOf(/** @type {string} */ key) {
  const space = key.indexOf(" ");
  return [/** @type {"task"|"tag"} */ (key.slice(0, space)), key.slice(space + 1)];
}

/**
 * What a message is about; null where it is about the connection.
 *
 * @param {Message} message
 * @returns {string|null}
 */
function subjectOf(message) {
  const { task, tag } = /** @type {{task?: string|import("./types.js").Snapshot, tag?: string}} */ (message);
  if (typeof tag === "string") return keyOf({ tag });
  if (task === undefined) return null;
  return keyOf({ task: typeof task === "string" ? task : task.id });
}
