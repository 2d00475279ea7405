// @ts-check
/**
 * Distributes all subscriptions of a page at one relay over as few connections as the relay's limit allows.
 *
 * Subscribers of the same topic share a subscription. When another one joins, or one needs the whole state again, the
 * subscription restarts from the earliest cursor, for all of them. Each subscriber has its own token, and an error ends
 * only the subscriber whose token it is about. A connection stays open while it has subscribers.
 */
import { FallbackConnection } from "./fallback-connection.js";
import { earliestCursor } from "./message.js";
import { DEFAULT_LIMIT, limitIn } from "./subscription-limit.js";
import { isBoard, keyOf, messageKey } from "./topic.js";
import { wiresFor } from "./wires.js";

/** @import { FaultCode, Message, Topic, WireName } from "../../relay.js" */
/** @import { SubscribeRequest } from "./wire-types.js" */

/**
 * @typedef {object} Subscriber
 * @property {Topic} topic
 * @property {string} token
 * @property {() => string|null} cursor returns where to resume
 * @property {() => Record<string, string>} [known] returns the cursors of the tasks of a board
 * @property {(message: Message) => void} onMessage
 * @property {() => void} onChange the connection has another state
 * @property {(code: FaultCode, reason: string) => void} onFault the relay refused the subscriber's token
 */

/** @typedef {{connection: FallbackConnection, keys: Set<string>, isFull: boolean}} PooledConnection */

export class Pool {
  #base;
  #wire;
  #kind;
  #limit = DEFAULT_LIMIT;
  /** @type {Map<string, Subscriber[]>} by topic; the first one's token is used */
  #subscribers = new Map();
  /** @type {PooledConnection[]} */
  #pooled = [];

  /**
   * @param {URL} base
   * @param {"tasks"|"boards"} kind
   * @param {WireName} wire the preferred wire
   */
  constructor(base, kind, wire) {
    this.#base = base;
    this.#kind = kind;
    this.#wire = wire;
  }

  /** Return the connection of a topic; undefined before it is subscribed and after it is unsubscribed. */
  connectionOf(/** @type {Topic} */ topic) {
    return this.#pooledWith(keyOf(topic))?.connection;
  }

  /** Add a subscriber. Its handlers are called from the next turn of the event loop on. */
  join(/** @type {Subscriber} */ subscriber) {
    const key = keyOf(subscriber.topic);
    this.#subscribers.set(key, [...(this.#subscribers.get(key) ?? []), subscriber]);
    queueMicrotask(() => this.#has(subscriber) && this.#subscribe(key));
  }

  /** Remove a subscriber. The connection of the last one closes later, since an element may only be moving. */
  leave(/** @type {Subscriber} */ subscriber) {
    const key = keyOf(subscriber.topic);
    if (!this.#has(subscriber)) return;
    const others = (this.#subscribers.get(key) ?? []).filter((other) => other !== subscriber);
    if (others.length) {
      this.#subscribers.set(key, others);
      return;
    }
    this.#subscribers.delete(key);
    this.#unsubscribe(key);
  }

  /** Restart a subscription from its cursor, or from the whole state if it has none. */
  resubscribe(/** @type {Subscriber} */ subscriber) {
    if (this.#has(subscriber)) this.#subscribe(keyOf(subscriber.topic));
  }

  /** Send the subscriber's new token. */
  renew(/** @type {Subscriber} */ subscriber) {
    const key = keyOf(subscriber.topic);
    if (this.#subscribers.get(key)?.[0] === subscriber) this.#pooledWith(key)?.connection.renew(key);
  }

  #subscribe(/** @type {string} */ key) {
    const { connection } = this.#pooledWith(key) ?? this.#assign(key);
    connection.start();
    connection.subscribe(key);
    for (const { onChange } of this.#subscribers.get(key) ?? []) onChange();
  }

  #pooledWith(/** @type {string} */ key) {
    return this.#pooled.find(({ keys }) => keys.has(key));
  }

  /** Assign a topic to the first connection that is not full. */
  #assign(/** @type {string} */ key) {
    const pooled = this.#pooled.find(({ keys, isFull }) => !isFull && keys.size < this.#limit) ?? this.#add();
    pooled.keys.add(key);
    return pooled;
  }

  #add() {
    /** @type {PooledConnection} */
    const pooled = {
      keys: new Set(),
      isFull: false,
      connection: new FallbackConnection({
        base: this.#base,
        wires: wiresFor(this.#base, this.#kind, this.#wire, this.#pooled.length),
        requests: () => [...pooled.keys].flatMap((key) => this.#requestFor(key) ?? []),
        onMessage: (message, token) => this.#receive(pooled, message, token),
        onChange: () => this.#each(pooled, ({ onChange }) => onChange()),
        onRefuse: ({ code, reason }) => this.#refuseAll(pooled, code, reason),
      }),
    };
    this.#pooled.push(pooled);
    return pooled;
  }

  /** @returns {SubscribeRequest|null} */
  #requestFor(/** @type {string} */ key) {
    const subscribers = this.#subscribers.get(key);
    if (!subscribers) return null;
    const [{ topic, token, known }, ...others] = subscribers;
    const cursor = earliestCursor(subscribers.map(({ cursor }) => cursor()));
    // What one board knows, another one that shares the subscription may not.
    return { key, topic, token, cursor, known: others.length ? undefined : known?.() };
  }

  #unsubscribe(/** @type {string} */ key) {
    const pooled = this.#pooledWith(key);
    if (!pooled) return;
    pooled.keys.delete(key);
    pooled.isFull = false;
    pooled.connection.unsubscribe(key);
    setTimeout(() => {
      if (pooled.keys.size) return;
      pooled.connection.stop();
      // The index of a connection names the stream that it shares with other tabs, so only the last ones are removed.
      while (this.#pooled.length && this.#pooled[this.#pooled.length - 1].keys.size === 0) {
        this.#pooled.pop()?.connection.stop();
      }
    });
  }

  #receive(
    /** @type {PooledConnection} */ pooled,
    /** @type {Message} */ message,
    /** @type {string|undefined} */ token,
  ) {
    const key = messageKey(message);
    if (message.type === "error") {
      const { code, detail = "" } = message;
      if (key !== null && pooled.keys.has(key)) this.#fault(pooled, key, token, code, detail);
      return;
    }
    if (message.type === "deleted" && key !== null && pooled.keys.has(key)) {
      return this.#fault(pooled, key, undefined, "gone", "the task was deleted");
    }
    this.#each(pooled, ({ topic, onMessage }) => {
      // Messages about the tasks of a board name only the task. The board finds out whether the task belongs to it.
      const mayBelongToBoard = isBoard(topic) && key?.startsWith("task ");
      if (key === null || key === keyOf(topic) || mayBelongToBoard) onMessage(message);
    });
  }

  /**
   * Remove the subscriber whose token was refused; the others continue with theirs.
   *
   * @param {PooledConnection} pooled
   * @param {string} key
   * @param {string|undefined} token
   * @param {FaultCode} code
   * @param {string} reason
   */
  #fault(pooled, key, token, code, reason) {
    const limit = limitIn(reason);
    if (limit !== null) return this.#moveFrom(pooled, key, limit);
    const subscriber = this.#subscribers.get(key)?.[0];
    if (!subscriber || (token !== undefined && subscriber.token !== token)) return; // about an earlier token
    this.leave(subscriber);
    if (this.#subscribers.has(key)) this.#subscribe(key);
    subscriber.onFault(code, reason);
  }

  /** Move a topic from a full connection to another one. */
  #moveFrom(/** @type {PooledConnection} */ pooled, /** @type {string} */ key, /** @type {number} */ limit) {
    this.#limit = Math.min(this.#limit, limit);
    this.#unsubscribe(key);
    pooled.isFull = true;
    this.#subscribe(key);
  }

  #refuseAll(/** @type {PooledConnection} */ pooled, /** @type {FaultCode} */ code, /** @type {string} */ reason) {
    const all = this.#subscribersOf(pooled);
    for (const subscriber of all) this.leave(subscriber);
    for (const { onFault } of all) onFault(code, reason);
  }

  #has(/** @type {Subscriber} */ subscriber) {
    return this.#subscribers.get(keyOf(subscriber.topic))?.includes(subscriber) ?? false;
  }

  #subscribersOf(/** @type {PooledConnection} */ pooled) {
    return [...pooled.keys].flatMap((key) => this.#subscribers.get(key) ?? []);
  }

  /** Call `notify` for each subscriber. A handler may remove others, which are then skipped. */
  #each(/** @type {PooledConnection} */ pooled, /** @type {(subscriber: Subscriber) => void} */ notify) {
    for (const subscriber of this.#subscribersOf(pooled)) if (this.#has(subscriber)) notify(subscriber);
  }
}

/** @type {Map<string, Pool>} */
const pools = new Map();

/**
 * Return the page's pool for a topic. Boards have a pool of their own: on a connection that follows a task directly, the
 * relay does not send that task's events for its tags again.
 *
 * @param {URL} base
 * @param {Topic} topic
 * @param {WireName} wire
 */
export function poolFor(base, topic, wire) {
  const kind = isBoard(topic) ? "boards" : "tasks";
  const name = `${kind} ${wire} ${base.href}`;
  const pool = pools.get(name) ?? new Pool(base, kind, wire);
  pools.set(name, pool);
  return pool;
}
