// @ts-check
/**
 * <relay-task task="…" token="…">: shows one task live. This module defines the class and registers nothing.
 *
 * The attributes are the only source of truth. Being put into a document opens the connection, being taken out of it
 * closes it, as often as it happens; what was seen is kept, so that coming back goes on from there. Being moved within a
 * document is neither. What stands between the tags is shown until there is something of the task to show.
 *
 * Fires, bubbling and composed: `relay-update` for every message and change of connection (`detail` is a
 * `RelayUpdate`), `relay-done` once, when the task has ended, and `relay-error` when the relay refuses to show it.
 *
 * Parts for `::part()`: card, head, state, connection, lost, notices, progress, bar, fill, stages, rail, verdict,
 * outputs, output, lightbox, segments, log, actions, cancel. Custom properties: theme.css has them all, `--relay-accent`
 * and `--relay-radius` among them; light or dark follows the page's `color-scheme`.
 */

import { foreignReason } from "../client/origin-check.js";
import { DEFAULT_BASE, RelayClient } from "../client/relay-client.js";
import { ServerClock } from "../client/server-clock.js";
import { TaskView } from "./task-view.js";

/** @type {import("./task-view.js").Shown} */
const NOTHING_YET = {
  state: null,
  connection: "connecting",
  reason: "",
  fault: null,
  clockOffset_s: 0,
  offlineSince: null,
  heardAt: null,
  missing: 0,
  wire: "ws",
};

/** Where there is no DOM, on a server that renders pages, the class can still be loaded, though not used. */
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

export class RelayTaskElement extends Base {
  static observedAttributes = ["task", "token", "base", "wire"];

  /** @type {TaskView|null} */
  #view = null;
  /** @type {RelayClient|null} */
  #client = null;
  /** @type {import("./task-view.js").Shown} */
  #update = NOTHING_YET;
  /** @type {import("../client/types.js").GetToken|undefined} */
  #getToken;
  #frame = 0;
  /** What the view shows times by: the browser's clock may be wrong, or set while the page is open. */
  #clock = new ServerClock();
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #ticking;
  #isOpen = false;
  #restarting = false;

  get task() {
    return this.getAttribute("task") ?? "";
  }

  set task(value) {
    this.setAttribute("task", value);
  }

  get token() {
    return this.getAttribute("token") ?? "";
  }

  set token(value) {
    this.setAttribute("token", value);
  }

  /** Where the relay is; by default where this module came from. */
  get base() {
    return this.getAttribute("base") || DEFAULT_BASE;
  }

  set base(value) {
    this.setAttribute("base", value);
  }

  /** The best way to try: `ws`, `sse` or `poll`; anything else counts as `ws`. */
  get wire() {
    const wire = this.getAttribute("wire");
    return wire === "sse" || wire === "poll" ? wire : "ws";
  }

  set wire(value) {
    this.setAttribute("wire", value);
  }

  /** Brings fresh tokens, so that the element outlives the one that it began with. A function fits into no attribute. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(value) {
    this.#getToken = value;
    this.attributeChangedCallback("getToken", null, "");
  }

  /** The task's snapshot, null before the first message. */
  get state() {
    return this.#update.state;
  }

  connectedCallback() {
    if (!this.#isOpen) this.#open();
  }

  disconnectedCallback() {
    // To be moved is to be taken out and put in again in one breath.
    queueMicrotask(() => this.isConnected || this.#close());
  }

  attributeChangedCallback(
    /** @type {string} */ name,
    /** @type {string|null} */ before,
    /** @type {string|null} */ now,
  ) {
    if (before === now || !this.#isOpen || this.#restarting) return;
    if (name === "token" && now && this.#isFollowing) return this.#renew(now);
    this.#restarting = true; // several attributes that are set together are one change
    queueMicrotask(() => {
      this.#restarting = false;
      if (!this.isConnected) return;
      this.#close();
      this.#open();
    });
  }

  get #isFollowing() {
    return this.#client !== null && !["ended", "refused"].includes(this.#update.connection);
  }

  /** A fresh token changes nothing of what is shown. */
  #renew(/** @type {string} */ token) {
    this.#client?.renew(token);
    if (this.#view) this.#view.access = { ...this.#view.access, token };
  }

  #open() {
    const { task, token, base, wire } = this;
    const getToken = this.#getToken;
    const state = this.#update.state?.id === task ? this.#update.state : null;
    this.#update = { ...NOTHING_YET, clockOffset_s: this.#update.clockOffset_s, state };
    const access = { task, token, base };
    if (!state || !this.#view) this.#view = this.#emptied(access);
    this.#view.access = access;
    this.#isOpen = true;
    if (!task || !(token || getToken)) return this.#refuse(task ? "the token is missing" : "the task's id is missing");
    this.#render();
    this.#client = new RelayClient({ task, token, getToken, base, wire, state });
    this.#client.addEventListener("update", (event) => this.#take(/** @type {CustomEvent} */ (event).detail));
    this.#ticking = setInterval(() => this.#render(), 1000);
  }

  #close() {
    this.#isOpen = false;
    this.#client?.stop();
    this.#client = null;
    clearInterval(this.#ticking);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** Another task begins on an empty page, not among the remains of the last one. */
  #emptied(/** @type {import("../client/task-calls.js").Access} */ access) {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.replaceChildren();
    return new TaskView(root, access);
  }

  #refuse(/** @type {string} */ reason) {
    this.#take({ ...this.#update, connection: "refused", reason, message: null });
  }

  #take(/** @type {import("../client/relay-client.js").RelayUpdate} */ update) {
    const wasDone = this.#update.state?.done != null;
    this.#update = update;
    this.#clock.hear(update.message);
    if (update.connection === "offline" && !update.state) this.#explain();
    this.#render();
    this.#fire("relay-update", update);
    if (!wasDone && update.state?.done) this.#fire("relay-done", update);
    if (update.connection === "refused") this.#fire("relay-error", update);
    if (update.connection === "ended" || update.connection === "refused") clearInterval(this.#ticking);
  }

  /** A page that the relay does not know sees just a relay that cannot be reached: its own words help more. */
  async #explain() {
    const reason = await foreignReason(this.base);
    if (!reason || !this.#isOpen || this.#update.connection !== "offline") return;
    this.#update = { ...this.#update, reason };
    this.#render();
  }

  /** Events come faster than frames: what is shown is the state at the next frame. */
  #render() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#view?.render(this.#update, this.#clock.now());
    });
  }

  /**
   * @param {string} type
   * @param {import("../client/relay-client.js").RelayUpdate} detail
   */
  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
