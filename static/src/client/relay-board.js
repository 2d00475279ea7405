// @ts-check
/**
 * Follows many tasks, all tasks of a tag, and all tasks of a relay. No DOM.
 *
 * Each subscription brings its own token, and a fault ends only that one; after that it may be subscribed again.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Message} Message
 * @typedef {import("./types.js").ConnectionState} ConnectionState
 */
import { DEFAULT_BASE } from "./base.js";
import { TagClient } from "./board-client.js";
import { RelayClient } from "./relay-client.js";

/**
 * @typedef {object} BoardUpdate
 * @property {string|null} task whose state it is; null where it is about no task
 * @property {string|null} tag by which tag it came; null for a task that is followed by itself, or with all others
 * @property {Snapshot|null} state
 * @property {Message|null} message `error` where a subscription has ended with a fault, `listed` where the tasks of a tag, or all tasks, have been told
 * @property {ConnectionState} connection the worst of all subscriptions; `ended` where there is none
 * @property {string} reason
 * @property {number|null} offlineSince in unix seconds by our clock
 * @property {number} clockOffset_s the relay's clock minus ours
 */

/** The worst first: a board is as well connected as its worst subscription. */
const WORST_FIRST = /** @type {const} */ (["offline", "connecting", "catching-up", "polling", "live"]);

/** @typedef {{token?: string, getToken?: import("./types.js").GetToken}} Right */
/** @typedef {{state: ConnectionState, reason: string, offlineSince: number|null}} Standing */

/** Fires `update`, a CustomEvent whose `detail` is a `BoardUpdate`. */
export class RelayBoard extends EventTarget {
  #base;
  /** @type {Map<string, Snapshot>} */
  #states = new Map();
  /** @type {Map<string, RelayClient>} */
  #tasks = new Map();
  /** @type {Map<string, TagClient>} */
  #tags = new Map();
  /** @type {Map<"all", TagClient>} */
  #all = new Map();
  #clockOffset_s = 0;
  /** @type {Map<object, Standing>} how each subscription stands */
  #standings = new Map();

  /** @param {{base?: string}} [options] where the relay is; by default where this module came from */
  constructor({ base = DEFAULT_BASE } = {}) {
    super();
    this.#base = base;
  }

  /** The state of every task seen so far, those that have ended too. */
  get states() {
    return /** @type {ReadonlyMap<string, Snapshot>} */ (this.#states);
  }

  /** The worst state of all subscriptions; `ended` where there is none. */
  get connection() {
    return this.#worst().state;
  }

  /** The relay's clock minus ours. */
  get clockOffset_s() {
    return this.#clockOffset_s;
  }

  /**
   * Follow `task`, from `state` on where one is at hand. A snapshot from a list will do, although it has no log.
   *
   * @param {string} task
   * @param {string|Right} token
   * @param {Snapshot|null} [state]
   */
  subscribe(task, token, state = null) {
    if (state && !this.#states.has(task)) this.#states.set(task, state);
    const known = this.#states.get(task) ?? null;
    if (this.#tasks.has(task) || known?.done) return;
    const client = new RelayClient({ task, ...rightOf(token), base: this.#base, state: known });
    this.#tasks.set(task, client);
    this.#standings.set(client, CONNECTING);
    client.addEventListener("update", (event) => {
      const update = /** @type {CustomEvent<import("./relay-client.js").RelayUpdate>} */ (event).detail;
      this.#takeTask(task, client, update);
    });
  }

  /** Leave `task`. */
  unsubscribe(/** @type {string} */ task) {
    this.#drop(this.#tasks, task);
  }

  /**
   * Follow every task of `tag`, those too that join later. Their states come without log and segments.
   *
   * @param {string} tag
   * @param {string|Right} token of that tag, or an API key
   */
  subscribeTag(tag, token) {
    this.#follow(this.#tags, tag, { tag }, token);
  }

  /** Leave `tag`. What was seen of its tasks stays. */
  unsubscribeTag(/** @type {string} */ tag) {
    this.#drop(this.#tags, tag);
  }

  /**
   * Follow every task of the relay, those too that are started later. Their states come without log and segments.
   *
   * @param {string|Right} key an API key
   */
  followAll(key) {
    this.#follow(this.#all, "all", { all: true }, key);
  }

  /** Leave those tasks that are followed with all others. What was seen of them stays. */
  unfollowAll() {
    this.#drop(this.#all, "all");
  }

  /** Leave everything. */
  stop() {
    this.unfollowAll();
    for (const task of [...this.#tasks.keys()]) this.unsubscribe(task);
    for (const tag of [...this.#tags.keys()]) this.unsubscribeTag(tag);
  }

  /** Drop the connection and come back at once. */
  resync() {
    // Some share a connection: it is dropped once.
    const subscriptions = [...this.#tasks.values(), ...this.#tags.values(), ...this.#all.values()];
    for (const client of subscriptions) client.resync();
  }

  /**
   * @template {string} Name
   * @param {Map<Name, TagClient>} clients
   * @param {Name} name
   * @param {{tag: string}|{all: true}} aim
   * @param {string|Right} token
   */
  #follow(clients, name, aim, token) {
    if (clients.has(name)) return;
    const client = new TagClient({
      aim,
      ...rightOf(token),
      base: this.#base,
      told: ({ state, message }) => this.#takeBoard(aim, client, state, message),
    });
    clients.set(name, client);
    this.#standings.set(client, CONNECTING);
  }

  /**
   * @param {string} task
   * @param {RelayClient} client
   * @param {import("./relay-client.js").RelayUpdate} update
   */
  #takeTask(task, client, { state, message, connection, reason, offlineSince, fault, clockOffset_s }) {
    const before = this.#worst();
    if (message) this.#clockOffset_s = clockOffset_s;
    if (connection === "ended" || fault) this.#drop(this.#tasks, task);
    else this.#standings.set(client, { state: connection, reason, offlineSince });
    if (state && message) this.#states.set(task, state);
    if (fault) this.#update({ task, message: { type: "error", task, code: fault, detail: reason } });
    else if (message && message.type !== "ping") this.#update({ task, message });
    else if (differ(before, this.#worst())) this.#update({});
  }

  /**
   * @param {{tag: string}|{all: true}} aim
   * @param {TagClient} client
   * @param {Snapshot|null} state
   * @param {Message|null} message
   */
  #takeBoard(aim, client, state, message) {
    const { state: connection, reason, offlineSince, fault, clockOffset_s } = client.subscription;
    const tag = "tag" in aim ? aim.tag : null;
    const before = this.#worst();
    if (message) this.#clockOffset_s = clockOffset_s;
    if (!fault) this.#standings.set(client, { state: connection, reason, offlineSince });
    else if ("tag" in aim) this.#drop(this.#tags, aim.tag);
    else this.unfollowAll();
    if (fault) this.#update({ tag, message: { type: "error", ...aim, code: fault, detail: reason } });
    else if (state) this.#takeRow(tag, state, message);
    else if (message && message.type !== "ping") this.#update({ tag, message });
    else if (differ(before, this.#worst())) this.#update({});
  }

  /**
   * @param {string|null} tag
   * @param {Snapshot} state
   * @param {Message|null} message
   */
  #takeRow(tag, state, message) {
    if (this.#tasks.has(state.id)) return; // it is followed by itself, and so more fully
    this.#states.set(state.id, state);
    this.#update({ task: state.id, tag, message });
  }

  /** @returns {Standing} */
  #worst() {
    const standings = [...this.#standings.values()];
    for (const state of WORST_FIRST) {
      const found = standings.find((standing) => standing.state === state);
      if (found) return found;
    }
    return ENDED;
  }

  /**
   * @template {string} Name
   * @template {RelayClient|TagClient} Client
   * @param {Map<Name, Client>} clients
   * @param {Name} name
   */
  #drop(clients, name) {
    const client = clients.get(name);
    if (!client) return;
    client.stop();
    clients.delete(name);
    this.#standings.delete(client);
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

/** @type {Standing} */
const CONNECTING = { state: "connecting", reason: "", offlineSince: null };
/** @type {Standing} */
const ENDED = { state: "ended", reason: "", offlineSince: null };

function rightOf(/** @type {string|Right} */ token) {
  return typeof token === "string" ? { token } : token;
}

/**
 * @param {Standing} one
 * @param {Standing} other
 */
function differ(one, other) {
  return one.state !== other.state || one.reason !== other.reason;
}
