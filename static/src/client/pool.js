// @ts-check
/**
 * Everything on a page that follows something at one relay, on as few lines as the relay's limit allows.
 *
 * It owns who is told what. Members of one aim share a subscription: when one more joins, or one has lost its place, it
 * begins anew where that one is, for all of them. Each member brings its own token, and a fault ends only that
 * one. A line stands while it has members.
 *
 * @typedef {import("./types.js").Aim} Aim
 * @typedef {import("./types.js").FaultCode} FaultCode
 * @typedef {import("./types.js").Message} Message
 */

import { Line } from "./fallback-connection.js";
import { earliest } from "./message.js";
import { DEFAULT_ROOM, roomOf } from "./subscription-limit.js";
import { isBoard, keyOf, subjectOf } from "./topic.js";
import { wiresFor } from "./wires.js";

/**
 * @typedef {object} Member
 * @property {Aim} aim
 * @property {string} token
 * @property {() => string|null} cursor where to go on from
 * @property {(message: Message) => void} hear
 * @property {() => void} changed the line has another state
 * @property {(code: FaultCode, reason: string) => void} fault the relay does not show it with this token
 */

/** @typedef {{line: Line, keys: Set<string>, isFull: boolean}} Lot what one line serves */

export class Pool {
  #base;
  #wire;
  #kind;
  #room = DEFAULT_ROOM;
  /** @type {Map<string, Member[]>} by what they follow; the first brings the token */
  #members = new Map();
  /** @type {Lot[]} */
  #lots = [];

  /**
   * @param {URL} base
   * @param {"tasks"|"boards"} kind
   * @param {import("./types.js").WireName} wire the best one to try
   */
  constructor(base, kind, wire) {
    this.#base = base;
    this.#kind = kind;
    this.#wire = wire;
  }

  /** The line that serves `aim`; undefined before the first turn and after the last one. */
  lineOf(/** @type {Aim} */ aim) {
    return this.#lotOf(keyOf(aim))?.line;
  }

  /** Take `member` in; it hears of everything by its handlers, and not before the next turn. */
  join(/** @type {Member} */ member) {
    const key = keyOf(member.aim);
    this.#members.set(key, [...(this.#members.get(key) ?? []), member]);
    queueMicrotask(() => this.#has(member) && this.#ask(key));
  }

  /** Let `member` go. Its line follows at the next turn if that was the last: an element may only be moving. */
  leave(/** @type {Member} */ member) {
    const key = keyOf(member.aim);
    if (!this.#has(member)) return;
    const others = (this.#members.get(key) ?? []).filter((other) => other !== member);
    if (others.length) {
      this.#members.set(key, others);
      return;
    }
    this.#members.delete(key);
    this.#forget(key);
  }

  /** Ask for what `member` follows again: from its cursor, or the whole state where it has lost its place. */
  askAnew(/** @type {Member} */ member) {
    if (this.#has(member)) this.#ask(keyOf(member.aim));
  }

  /** `member` has another token. */
  renew(/** @type {Member} */ member) {
    const key = keyOf(member.aim);
    if (this.#members.get(key)?.[0] === member) this.#lotOf(key)?.line.renew(key);
  }

  #ask(/** @type {string} */ key) {
    const lot = this.#lotOf(key) ?? this.#place(key);
    lot.line.start();
    lot.line.ask(key);
    for (const { changed } of this.#members.get(key) ?? []) changed();
  }

  #lotOf(/** @type {string} */ key) {
    return this.#lots.find(({ keys }) => keys.has(key));
  }

  /** Give `key` a place on the first line that has room. */
  #place(/** @type {string} */ key) {
    const lot = this.#lots.find(({ keys, isFull }) => !isFull && keys.size < this.#room) ?? this.#addLot();
    lot.keys.add(key);
    return lot;
  }

  #addLot() {
    /** @type {Lot} */
    const lot = {
      keys: new Set(),
      isFull: false,
      line: new Line({
        base: this.#base,
        wires: wiresFor(this.#base, this.#kind, this.#wire, this.#lots.length),
        entries: () => [...lot.keys].flatMap((key) => this.#entryOf(key) ?? []),
        hear: (message, token) => this.#hear(lot, message, token),
        changed: () => this.#each(lot, ({ changed }) => changed()),
        refused: ({ code, reason }) => this.#refuse(lot, code, reason),
      }),
    };
    this.#lots.push(lot);
    return lot;
  }

  /** @returns {import("./types.js").Entry|null} */
  #entryOf(/** @type {string} */ key) {
    const members = this.#members.get(key);
    if (!members) return null;
    const [{ aim, token }] = members;
    return { key, aim, token, cursor: earliest(members.map((member) => member.cursor())) };
  }

  #forget(/** @type {string} */ key) {
    const lot = this.#lotOf(key);
    if (!lot) return;
    lot.keys.delete(key);
    lot.isFull = false;
    lot.line.drop(key);
    setTimeout(() => {
      if (lot.keys.size) return;
      lot.line.stop();
      // The place of a line in the row names the stream that it shares with other tabs: only the last one gives it up.
      while (this.#lots.length && this.#lots[this.#lots.length - 1].keys.size === 0) this.#lots.pop()?.line.stop();
    });
  }

  #hear(/** @type {Lot} */ lot, /** @type {Message} */ message, /** @type {string|undefined} */ token) {
    const key = subjectOf(message);
    if (message.type === "error") {
      const { code, detail = "" } = /** @type {import("./types.js").ErrorMessage} */ (message);
      if (key !== null && lot.keys.has(key)) this.#fault(lot, key, token, code, detail);
      return;
    }
    this.#each(lot, ({ aim, hear }) => {
      // The tasks of a board come under their own names: whether one belongs to it the board finds out.
      const perhaps = isBoard(aim) && key?.startsWith("task ");
      if (key === null || key === keyOf(aim) || perhaps) hear(message);
    });
  }

  /**
   * The member whose token was used is out; any other goes on with its own.
   *
   * @param {Lot} lot
   * @param {string} key
   * @param {string|undefined} token
   * @param {FaultCode} code
   * @param {string} reason
   */
  #fault(lot, key, token, code, reason) {
    const room = roomOf(reason);
    if (room !== null) return this.#move(lot, key, room);
    const asker = this.#members.get(key)?.[0];
    if (!asker || (token !== undefined && asker.token !== token)) return; // it is about a token of before
    this.leave(asker);
    if (this.#members.has(key)) this.#ask(key);
    asker.fault(code, reason);
  }

  /** A full line keeps what it has; what it has no room for goes to another one. */
  #move(/** @type {Lot} */ lot, /** @type {string} */ key, /** @type {number} */ room) {
    this.#room = Math.min(this.#room, room);
    this.#forget(key);
    lot.isFull = true;
    this.#ask(key);
  }

  #refuse(/** @type {Lot} */ lot, /** @type {FaultCode} */ code, /** @type {string} */ reason) {
    const all = [...lot.keys].flatMap((key) => this.#members.get(key) ?? []);
    for (const member of all) this.leave(member);
    for (const { fault } of all) fault(code, reason);
  }

  #has(/** @type {Member} */ member) {
    return this.#members.get(keyOf(member.aim))?.includes(member) ?? false;
  }

  /** Whoever hears of something may leave or join, so it goes by who is there now. */
  #each(/** @type {Lot} */ lot, /** @type {(member: Member) => void} */ tell) {
    for (const member of [...lot.keys].flatMap((key) => this.#members.get(key) ?? [])) {
      if (this.#has(member)) tell(member);
    }
  }
}

/** @type {Map<string, Pool>} */
const pools = new Map();

/**
 * The pool that this page has for `aim` at a relay. Boards have one apart: a connection that follows a task by itself is
 * not told of it by its tags.
 *
 * @param {URL} base
 * @param {Aim} aim
 * @param {import("./types.js").WireName} wire
 */
export function poolOf(base, aim, wire) {
  const kind = isBoard(aim) ? "boards" : "tasks";
  const name = `${kind} ${wire} ${base.href}`;
  const pool = pools.get(name) ?? new Pool(base, kind, wire);
  pools.set(name, pool);
  return pool;
}
