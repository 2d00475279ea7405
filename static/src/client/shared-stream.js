// @ts-check
/**
 * Shares one event stream among all tabs of a site. The tab that holds the lock leads: it opens the stream. The other
 * tabs send it their subscriptions and receive messages over a BroadcastChannel. If the leader closes, is frozen or
 * falls silent, another tab takes over; each tab keeps its own cursors, so nothing is lost.
 *
 * Tokens travel over the BroadcastChannel, which only reaches pages of the same origin.
 */
import { StreamLeader } from "./stream-leader.js";

/** @import { Message } from "../../relay.js" */
/** @import { CloseReason, SubscribeRequest, Wire, WireOptions } from "./wire-types.js" */

/** The relay sends something at least every 15 s. A leader that passes on nothing for this long is pinged. */
const SILENCE_S = 16;

/** How long a leader may take to answer a ping. Together, less than the time after which a connection counts as dead. */
const ANSWER_S = 2;

/**
 * What tabs send each other. Followers send `subscribe`, `unsubscribe` and `ping`. The leader answers a known tab with
 * `pong`, and sends `leading` when it takes over and to tabs that it does not know, which then subscribe again. It
 * forwards every `message` (to a single tab with `to`), and says when the stream has `closed`.
 *
 * @typedef {{kind: "subscribe", tab: string, requests: SubscribeRequest[]}
 *   | {kind: "unsubscribe", tab: string, keys: string[]}
 *   | {kind: "ping", tab: string} | {kind: "pong"} | {kind: "leading"} | {kind: "closed", reason: CloseReason}
 *   | {kind: "message", message: Message, token?: string, to?: string}} TabMessage
 */

/**
 * @param {WireOptions} options
 * @param {string} name the name of the channel and of the lock
 * @returns {Wire}
 */
export function openSharedStream(options, name) {
  return new SharedStream(options, name);
}

class SharedStream {
  #options;
  #name;
  #tab = Math.random().toString(36).slice(2);
  #channel;
  /** @type {StreamLeader|null} */
  #leader = null;
  #closing = new AbortController();
  #holdsTabLock = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #watchdog;

  /**
   * @param {WireOptions} options
   * @param {string} name
   */
  constructor(options, name) {
    this.#options = options;
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    const { signal } = this.#closing;
    this.#channel.addEventListener("message", ({ data }) => this.#receive(data), { signal });
    // A sleeping tab must not keep the others waiting, and a lock keeps a page out of the back-forward cache.
    const sleep = () => this.#end({ kind: "retry", reason: "the tab was suspended", reached: true });
    document.addEventListener("freeze", sleep, { signal });
    addEventListener("pagehide", sleep, { signal });
    options.ready().then(() => this.#join());
  }

  #join() {
    if (this.#closing.signal.aborted) return;
    this.#requestLock(tabLock(this.#name, this.#tab), {}, () => this.#follow());
    this.#requestLock(this.#name, {}, () => this.#lead());
    this.#expectLeader(ANSWER_S);
  }

  subscribe(/** @type {string} */ key) {
    this.#sendSubscriptions([key]);
  }

  renew(/** @type {string} */ key) {
    this.#sendSubscriptions([key]);
  }

  unsubscribe(/** @type {string} */ key) {
    this.#sendToLeader({ kind: "unsubscribe", tab: this.#tab, keys: [key] });
  }

  probe() {
    return false;
  }

  close() {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#watchdog);
    this.#leader?.close();
    this.#leader = null;
    this.#closing.abort(); // releases the locks
    this.#channel.close();
  }

  /**
   * Request a lock. It is held until the promise returned by `onHeld` settles.
   *
   * @param {string} lock
   * @param {LockOptions} options
   * @param {() => Promise<unknown>|void} onHeld
   */
  #requestLock(lock, options, onHeld) {
    const { signal } = this.#closing;
    const granted = () => (signal.aborted ? undefined : onHeld());
    navigator.locks.request(lock, options.steal ? options : { signal }, granted).catch((error) => {
      if (!(error instanceof DOMException)) throw error;
      // The wire was closed while it waited, or another tab considered this one dead and took the lock.
      this.#end({ kind: "retry", reason: "another tab holds the stream", reached: true });
    });
  }

  #untilClosed() {
    return new Promise((resolve) => this.#closing.signal.addEventListener("abort", resolve));
  }

  /** Now that the leader can see when this tab is gone, subscribe. */
  #follow() {
    this.#holdsTabLock = true;
    if (!this.#leader) this.#sendSubscriptions();
    return this.#untilClosed();
  }

  #lead() {
    if (this.#leader) return undefined;
    clearTimeout(this.#watchdog);
    this.#leader = new StreamLeader({
      base: this.#options.base,
      forward: (message, token, to) => this.#forward(message, token, to),
      onClose: (reason) => {
        this.#post({ kind: "closed", reason });
        this.#end(reason);
      },
    });
    this.#leader.subscribe(this.#tab, this.#options.requests());
    this.#post({ kind: "leading" });
    return this.#untilClosed();
  }

  #forward(/** @type {Message} */ message, /** @type {string|undefined} */ token, /** @type {string|undefined} */ to) {
    if (to !== this.#tab) this.#post({ kind: "message", message, token, to });
    if (to === undefined || to === this.#tab) this.#options.onMessage(message, token);
  }

  /** @param {string[]} [keys] all subscriptions if omitted */
  #sendSubscriptions(keys) {
    const requests = this.#options.requests().filter(({ key }) => !keys || keys.includes(key));
    if (requests.length) this.#sendToLeader({ kind: "subscribe", tab: this.#tab, requests });
  }

  /** The leader may be this tab itself. */
  #sendToLeader(/** @type {TabMessage} */ message) {
    if (this.#leader) this.#receiveAsLeader(message);
    else if (this.#holdsTabLock) this.#post(message);
  }

  #post(/** @type {TabMessage} */ message) {
    if (!this.#closing.signal.aborted) this.#channel.postMessage(message);
  }

  #receive(/** @type {TabMessage} */ message) {
    if (this.#leader) return this.#receiveAsLeader(message);
    switch (message.kind) {
      case "message":
        if (message.to === undefined || message.to === this.#tab) {
          this.#options.onMessage(message.message, message.token);
        }
        return this.#expectLeader(SILENCE_S);
      case "leading":
        this.#sendSubscriptions();
        return this.#expectLeader(SILENCE_S);
      case "pong":
        return this.#expectLeader(SILENCE_S);
      case "closed":
        return this.#end(message.reason);
    }
  }

  #receiveAsLeader(/** @type {TabMessage} */ message) {
    const leader = this.#leader;
    switch (message.kind) {
      case "subscribe": {
        const isNew = leader?.subscribe(message.tab, message.requests);
        if (message.tab === this.#tab) return;
        if (isNew) {
          // The lock becomes free when the tab is gone.
          this.#requestLock(tabLock(this.#name, message.tab), {}, () => this.#leader?.removeTab(message.tab));
        }
        return this.#post({ kind: "pong" });
      }
      case "unsubscribe":
        return leader?.unsubscribe(message.tab, message.keys);
      case "ping":
        return this.#post({ kind: leader?.hasTab(message.tab) ? "pong" : "leading" });
    }
  }

  /** Ping the leader if it is silent for `limit_s`, and take its lock if it does not answer. */
  #expectLeader(/** @type {number} */ limit_s) {
    clearTimeout(this.#watchdog);
    if (this.#leader) return;
    this.#watchdog = setTimeout(() => {
      this.#sendToLeader({ kind: "ping", tab: this.#tab });
      this.#watchdog = setTimeout(
        () => this.#requestLock(this.#name, { steal: true }, () => this.#lead()),
        ANSWER_S * 1000,
      );
    }, limit_s * 1000);
  }

  #end(/** @type {CloseReason} */ reason) {
    if (this.#closing.signal.aborted) return;
    this.close();
    this.#options.onClose(reason);
  }
}

/** Each tab also holds a lock of its own, which becomes free when the tab is gone. */
function tabLock(/** @type {string} */ name, /** @type {string} */ tab) {
  return `${name} ${tab}`;
}
