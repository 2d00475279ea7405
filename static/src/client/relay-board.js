// @ts-check
/**
 * `RelayBoard`: follows many tasks, all tasks of a tag, and all tasks of a relay. No DOM.
 *
 * Each subscription has its own token. An error ends only that subscription, which may then be started again.
 */
import { DEFAULT_BASE } from "./base.js";
import { BoardClient } from "./board-client.js";
import { RelayClient } from "./relay-client.js";

/** @import { BoardUpdate, ConnectionState, Credentials, DeletedMessage, Message } from "../../relay.js" */
/** @import { RelayUpdate, Snapshot, UpdateTarget } from "../../relay.js" */
/** @import { BoardTopic } from "./board-client.js" */

/** @typedef {{state: ConnectionState, reason: string, offlineSince: number|null}} Status */

const Target = /** @type {new () => UpdateTarget<BoardUpdate>} */ (EventTarget);

/** A board is as well connected as its worst subscription. */
const WORST_FIRST = /** @type {const} */ (["offline", "connecting", "catching-up", "polling", "live"]);

/** @type {Status} */
const CONNECTING = { state: "connecting", reason: "", offlineSince: null };
/** @type {Status} */
const ENDED = { state: "ended", reason: "", offlineSince: null };

/** Fires `update`, a CustomEvent whose `detail` is a `BoardUpdate`. */
export class RelayBoard extends Target {
  #base;
  /** @type {Map<string, Snapshot>} */
  #states = new Map();
  /** @type {Map<string, RelayClient>} */
  #tasks = new Map();
  /** @type {Map<string, BoardClient>} */
  #tags = new Map();
  /** @type {Map<"all", BoardClient>} */
  #all = new Map();
  #clockOffset_s = 0;
  /** @type {Map<object, Status>} of each subscription */
  #statuses = new Map();

  /** @param {{base?: string}} [options] the relay's address; defaults to the relay that served this module */
  constructor({ base = DEFAULT_BASE } = {}) {
    super();
    this.#base = base;
  }

  /** The state of every task seen so far, including those that are done. */
  get states() {
    return /** @type {ReadonlyMap<string, Snapshot>} */ (this.#states);
  }

  /** The worst state of all subscriptions; `ended` if there are none. */
  get connection() {
    return this.#worst().state;
  }

  /** The relay's clock minus the browser's. */
  get clockOffset_s() {
    return this.#clockOffset_s;
  }

  /**
   * Follow a task, resuming from `state` if it is given. A snapshot from a list will do, although it has no log.
   *
   * @param {string} task
   * @param {string|Credentials} token
   * @param {Snapshot|null} [state]
   */
  subscribe(task, token, state = null) {
    if (state && !this.#states.has(task)) this.#states.set(task, state);
    const known = this.#states.get(task) ?? null;
    if (this.#tasks.has(task) || known?.done) return;
    const client = new RelayClient({ task, ...credentialsFrom(token), base: this.#base, state: known });
    this.#tasks.set(task, client);
    this.#statuses.set(client, CONNECTING);
    client.addEventListener("update", ({ detail }) => this.#taskUpdated(task, client, detail));
  }

  unsubscribe(/** @type {string} */ task) {
    this.#remove(this.#tasks, task);
  }

  /**
   * Follow every task of `tag`, including those that are tagged later. Their states have no log and no segments.
   *
   * @param {string} tag
   * @param {string|Credentials} token a token for the tag, or an API key
   * @param {readonly Snapshot[]} [states] from a list: the relay sends those that have changed since
   */
  subscribeTag(tag, token, states = []) {
    this.#follow(this.#tags, tag, { tag }, token, states);
  }

  /** Stop following a tag. The states of its tasks are kept. */
  unsubscribeTag(/** @type {string} */ tag) {
    this.#remove(this.#tags, tag);
  }

  /**
   * Follow every task of the relay, including those started later. Their states have no log and no segments.
   *
   * @param {string|Credentials} key an API key
   * @param {readonly Snapshot[]} [states] from a list: the relay sends those that have changed since
   */
  followAll(key, states = []) {
    this.#follow(this.#all, "all", { all: true }, key, states);
  }

  /** Undo `followAll`. The states of the tasks are kept. */
  unfollowAll() {
    this.#remove(this.#all, "all");
  }

  /** End all subscriptions. */
  stop() {
    this.unfollowAll();
    for (const task of [...this.#tasks.keys()]) this.unsubscribe(task);
    for (const tag of [...this.#tags.keys()]) this.unsubscribeTag(tag);
  }

  /** Drop the connections and reconnect at once. */
  resync() {
    // Subscriptions may share a connection. One that is already reconnecting is not dropped again.
    for (const client of [...this.#tasks.values(), ...this.#tags.values(), ...this.#all.values()]) client.resync();
  }

  /**
   * @template {string} Name
   * @param {Map<Name, BoardClient>} clients
   * @param {Name} name
   * @param {BoardTopic} topic
   * @param {string|Credentials} token
   * @param {readonly Snapshot[]} states
   */
  #follow(clients, name, topic, token, states) {
    if (clients.has(name)) return;
    for (const state of states) if (!this.#states.has(state.id)) this.#states.set(state.id, state);
    const client = new BoardClient({
      topic,
      credentials: credentialsFrom(token),
      base: this.#base,
      states,
      onUpdate: (state, message) => this.#boardUpdated(topic, client, state, message),
    });
    clients.set(name, client);
    this.#statuses.set(client, CONNECTING);
  }

  /**
   * @param {string} task
   * @param {RelayClient} client
   * @param {RelayUpdate} update
   */
  #taskUpdated(task, client, { state, message, connection, reason, offlineSince, fault, clockOffset_s }) {
    const before = this.#worst();
    if (message) this.#clockOffset_s = clockOffset_s;
    if (connection === "ended" || fault) this.#remove(this.#tasks, task);
    else this.#statuses.set(client, { state: connection, reason, offlineSince });
    if (state && message) this.#states.set(task, state);
    if (fault === "gone") this.#deleted(null, { type: "deleted", task });
    else if (fault) this.#update({ task, message: { type: "error", task, code: fault, detail: reason } });
    else if (message && message.type !== "ping") this.#update({ task, message });
    else if (isDifferent(before, this.#worst())) this.#update({});
  }

  /**
   * @param {BoardTopic} topic
   * @param {BoardClient} client
   * @param {Snapshot|null} state
   * @param {Message|null} message
   */
  #boardUpdated(topic, client, state, message) {
    const { state: connection, reason, offlineSince, fault, clockOffset_s } = client.subscription;
    const tag = "tag" in topic ? topic.tag : null;
    const before = this.#worst();
    if (message) this.#clockOffset_s = clockOffset_s;
    if (!fault) this.#statuses.set(client, { state: connection, reason, offlineSince });
    else if ("tag" in topic) this.#remove(this.#tags, topic.tag);
    else this.unfollowAll();
    if (fault) this.#update({ tag, message: { type: "error", ...topic, code: fault, detail: reason } });
    else if (state) this.#boardTaskUpdated(tag, state, message);
    else if (message?.type === "deleted") this.#deleted(tag, message);
    else if (message && message.type !== "ping") this.#update({ tag, message });
    else if (isDifferent(before, this.#worst())) this.#update({});
  }

  /**
   * @param {string|null} tag
   * @param {Snapshot} state
   * @param {Message|null} message
   */
  #boardTaskUpdated(tag, state, message) {
    if (this.#tasks.has(state.id)) return; // its own subscription has the log as well
    this.#states.set(state.id, state);
    this.#update({ task: state.id, tag, message });
  }

  /**
   * @param {string|null} tag
   * @param {DeletedMessage} message
   */
  #deleted(tag, message) {
    this.#remove(this.#tasks, message.task);
    if (this.#states.delete(message.task)) this.#update({ task: message.task, tag, message });
  }

  /** @returns {Status} */
  #worst() {
    const statuses = [...this.#statuses.values()];
    for (const state of WORST_FIRST) {
      const found = statuses.find((status) => status.state === state);
      if (found) return found;
    }
    return ENDED;
  }

  /**
   * @template {string} Name
   * @template {RelayClient|BoardClient} Client
   * @param {Map<Name, Client>} clients
   * @param {Name} name
   */
  #remove(clients, name) {
    const client = clients.get(name);
    if (!client) return;
    client.stop();
    clients.delete(name);
    this.#statuses.delete(client);
  }

  #update(/** @type {{task?: string|null, tag?: string|null, message?: Message|null}} */ about) {
    const { task = null, tag = null, message = null } = about;
    const { state: connection, reason, offlineSince } = this.#worst();
    const state = task === null ? null : (this.#states.get(task) ?? null);
    /** @type {BoardUpdate} */
    const detail = { task, tag, state, message, connection, reason, offlineSince, clockOffset_s: this.#clockOffset_s };
    this.dispatchEvent(new CustomEvent("update", { detail }));
  }
}

/** @returns {Credentials} */
function credentialsFrom(/** @type {string|Credentials} */ token) {
  return typeof token === "string" ? { token } : token;
}

/**
 * @param {Status} one
 * @param {Status} other
 */
function isDifferent(one, other) {
  return one.state !== other.state || one.reason !== other.reason;
}
