// @ts-check
/**
 * Receives the messages about one topic, across every loss of connection and every change of token.
 *
 * It owns the token and the state of the subscription. The pool chooses the connection, and the owner interprets the
 * messages.
 */
import { Credential } from "./credential.js";
import { poolFor } from "./pool.js";
import { relayTime_s } from "./server-clock.js";

/** @import { ConnectionState, FaultCode, GetToken, Message, Topic, WireName } from "../../relay.js" */
/** @import { Subscriber } from "./pool.js" */
/** @typedef {"live"|"catching-up"} SyncState */

export class Subscription {
  #onMessage;
  #onChange;
  #credential;
  #pool;
  #wire;
  /** @type {Subscriber} */
  #subscriber;
  /** @type {ConnectionState} */
  #state = "connecting";
  #reason = "";
  /** @type {FaultCode|null} */
  #fault = null;
  /** @type {number|null} */
  #offlineSince = null;
  /** @type {number|null} */
  #heardAt = null;
  /** @type {number|null} */
  #retryAt = null;
  #clockOffset_s = 0;
  /** @type {SyncState|null} how far the owner has caught up on this connection */
  #syncState = null;
  /** Whether the relay has refused a token and sent nothing since. */
  #hasRetriedToken = false;
  #stopped = false;

  /**
   * @param {object} options
   * @param {URL} options.base
   * @param {Topic} options.topic
   * @param {string} [options.token]
   * @param {GetToken} [options.getToken]
   * @param {WireName} [options.wire] the preferred wire
   * @param {() => string|null} options.cursor returns where to resume; null asks for the whole state
   * @param {() => Record<string, string>} [options.known] returns the cursors of the tasks of a board
   * @param {(message: Message) => void} options.onMessage
   * @param {() => void} options.onChange called after each change of `state`
   */
  constructor({ base, topic, token, getToken, wire = "ws", cursor, known, onMessage, onChange }) {
    this.#onMessage = onMessage;
    this.#onChange = onChange;
    this.#wire = wire;
    this.#pool = poolFor(base, topic, wire);
    this.#credential = new Credential({
      token,
      getToken,
      topic,
      now_s: () => Date.now() / 1000 + this.#clockOffset_s,
      onRenewed: (fresh) => this.#tokenRenewed(fresh),
      onRetry: (reason) => this.#syncState || this.#set("offline", reason),
    });
    this.#subscriber = {
      topic,
      token: "",
      cursor,
      known,
      onMessage: (message) => this.#receive(message),
      onChange: () => this.#update(),
      onFault: (code, reason) => this.#refused(code, reason),
    };
  }

  get state() {
    return this.#state;
  }

  /** The token in use; empty before the first one. */
  get token() {
    return this.#subscriber.token;
  }

  /** Why the relay refused it, or why the connection is lost; otherwise empty. */
  get reason() {
    return this.#reason;
  }

  /** The code of a refusal; otherwise null. */
  get fault() {
    return this.#fault;
  }

  /** When the connection was lost, in unix seconds of the browser's clock; null while it is not lost. */
  get offlineSince() {
    return this.#offlineSince;
  }

  /** When the next attempt to connect starts, in unix seconds of the browser's clock; null if none is scheduled. */
  get retryAt() {
    return this.#retryAt;
  }

  /** When the last message arrived, in unix seconds of the browser's clock. */
  get heardAt() {
    return this.#heardAt;
  }

  /** The relay's clock minus the browser's. */
  get clockOffset_s() {
    return this.#clockOffset_s;
  }

  /** The wire in use, or the one being tried. */
  get wire() {
    return this.#wire;
  }

  /** Whether the owner has caught up on this connection, perhaps over another wire. */
  get isSynced() {
    return this.#syncState !== null;
  }

  start() {
    if (!this.#stopped) this.#join();
  }

  /** Unsubscribe for good, without a callback. */
  stop() {
    this.#stopped = true;
    this.#credential.stop();
    this.#pool.leave(this.#subscriber);
  }

  /** Unsubscribe because the task is done. */
  end() {
    this.#finish("ended", "");
  }

  /** Record how far the owner has caught up. */
  markSynced(/** @type {SyncState} */ state) {
    this.#syncState = state;
    this.#update();
  }

  /** Ask for the topic again, from the current cursor. */
  resubscribe() {
    this.#pool.resubscribe(this.#subscriber);
  }

  resync() {
    this.#pool.connectionOf(this.#subscriber.topic)?.resync();
  }

  /** Drop the connection; it reconnects after a back-off. */
  drop(/** @type {string} */ reason) {
    this.#pool.connectionOf(this.#subscriber.topic)?.drop(reason);
  }

  renew(/** @type {string} */ token) {
    this.#credential.replace(token);
  }

  async #join() {
    const { token, reason } = await this.#credential.get();
    if (this.#stopped) return;
    if (token === null) return this.#refused("unauthorized", reason);
    this.#subscriber.token = token;
    this.#pool.join(this.#subscriber);
  }

  #tokenRenewed(/** @type {string} */ token) {
    this.#subscriber.token = token;
    this.#pool.renew(this.#subscriber);
  }

  #receive(/** @type {Message} */ message) {
    if (this.#stopped) return;
    const now_s = Date.now() / 1000;
    this.#heardAt = now_s;
    const at_s = relayTime_s(message);
    if (at_s !== null) this.#clockOffset_s = at_s - now_s;
    if (message.type !== "ping") this.#hasRetriedToken = false;
    this.#onMessage(message);
  }

  /** Derive the state from the connection's. An open connection is not live until the owner has caught up. */
  #update() {
    const connection = this.#pool.connectionOf(this.#subscriber.topic);
    if (!connection) return;
    this.#wire = connection.wire;
    const { state, reason } = connection;
    if (state === "offline" || (state === "connecting" && connection.isLost)) this.#syncState = null;
    if (state !== "live" && state !== "polling") this.#set(state, reason, connection.retryAt);
    else if (this.#syncState) this.#set(this.#syncState === "live" ? state : this.#syncState);
  }

  #refused(/** @type {FaultCode} */ code, /** @type {string} */ reason) {
    if (this.#stopped) return;
    const isAboutToken = code === "token_expired" || code === "unauthorized";
    if (!isAboutToken || !this.#credential.canRenew || this.#hasRetriedToken) {
      this.#fault = code;
      return this.#finish("refused", reason);
    }
    this.#hasRetriedToken = true;
    this.#credential.expire();
    this.#syncState = null;
    this.#set("connecting", reason);
    this.#join();
  }

  #finish(/** @type {"ended"|"refused"} */ state, /** @type {string} */ reason) {
    if (this.#stopped) return;
    this.stop();
    this.#state = state;
    this.#reason = reason;
    this.#offlineSince = null;
    this.#retryAt = null;
    this.#onChange();
  }

  /**
   * @param {ConnectionState} state
   * @param {string} [reason]
   * @param {number|null} [retryAt]
   */
  #set(state, reason = "", retryAt = null) {
    const isUnchanged = this.#state === state && this.#reason === reason && this.#retryAt === retryAt;
    if (this.#stopped || isUnchanged) return;
    this.#state = state;
    this.#reason = reason;
    this.#retryAt = retryAt;
    if (state === "offline") this.#offlineSince ??= Date.now() / 1000;
    else if (state !== "connecting") this.#offlineSince = null;
    this.#onChange();
  }
}
