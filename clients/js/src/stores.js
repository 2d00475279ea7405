/** What a task or a board is now, for frameworks: a value that is replaced, and a way to learn of the next one. */
import { RelayBoard, RelayClient } from "./index.js";

const COMMON = { connection: "connecting", reason: "", offlineSince: null, clockOffset_s: 0 };

export const NO_TASK = Object.freeze({
  ...COMMON,
  state: null,
  fault: null,
  message: null,
  retryAt: null,
  heardAt: null,
  missing: 0,
  wire: "ws",
});
export const NO_TASKS = Object.freeze({ ...COMMON, tasks: Object.freeze([]) });

/** Is connected while it has listeners, and resumes with the next one. */
class Store {
  #listeners = new Set();
  #source = null;

  constructor(options, initial) {
    this.options = options;
    this.current = initial;
  }

  /** Call `listener` after each change. Return a function that ends it. */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    if (!this.#source) this.#connect();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#disconnect();
    };
  };

  /** Take over a fresh token; the connection stays. */
  update({ token, getToken }) {
    const isFresh = token !== this.options.token;
    this.options = { ...this.options, token, getToken };
    if (this.#source && (!isFresh || (token && this.renew(this.#source, token)))) return;
    this.#disconnect();
    if (this.#listeners.size) this.#connect();
  }

  #connect() {
    const { token, getToken } = this.options;
    if (!this.isComplete || !(token || getToken)) return;
    const credentials = { token, getToken: getToken && ((topic) => this.options.getToken(topic)) };
    this.#source = this.open(credentials);
    this.#source.addEventListener("update", ({ detail }) => {
      this.current = this.fold(detail);
      for (const listener of this.#listeners) listener();
    });
  }

  #disconnect() {
    this.#source?.stop();
    this.#source = null;
  }
}

export class TaskStore extends Store {
  constructor(options) {
    super(options, NO_TASK);
  }

  get isComplete() {
    return Boolean(this.options.task);
  }

  isFor({ task, base, wire }) {
    return task === this.options.task && base === this.options.base && wire === this.options.wire;
  }

  open(credentials) {
    const { task, base, wire } = this.options;
    return new RelayClient({ task, base, wire, ...credentials, state: this.current.state });
  }

  fold(update) {
    return update;
  }

  renew(client, token) {
    if (client.connection === "refused" || client.connection === "ended") return false;
    client.renew(token);
    return true;
  }
}

export class BoardStore extends Store {
  constructor(options) {
    super(options, NO_TASKS);
  }

  get isComplete() {
    return Boolean(this.options.tag || this.options.all);
  }

  isFor({ tag, all, base }) {
    return tag === this.options.tag && all === this.options.all && base === this.options.base;
  }

  open(credentials) {
    const { tag, base } = this.options;
    const board = new RelayBoard({ base });
    if (tag) board.subscribeTag(tag, credentials, this.current.tasks);
    else board.followAll(credentials, this.current.tasks);
    this.states = board.states;
    return board;
  }

  fold({ connection, reason, offlineSince, clockOffset_s }) {
    const tasks = [...this.states.values()].sort((one, other) => other.created_at - one.created_at);
    return { tasks, connection, reason, offlineSince, clockOffset_s };
  }

  /** The subscriptions of a board are renewed by `getToken` only; a fresh token starts a new one. */
  renew() {
    return false;
  }
}
