// @ts-check
/**
 * <relay-task task="…" token="…">: shows one task live. This module defines the class and registers nothing.
 *
 * The attributes are the only source of truth. Being put into a document opens the connection, being taken out of it
 * closes it, as often as it happens; what was seen is kept, so that coming back goes on from there.
 *
 * Fires, bubbling and composed: `relay-update` for every message and change of connection (`detail` is a
 * `RelayUpdate`), `relay-done` once, when the task has ended, and `relay-error` when the relay refuses to show it.
 */
import { DEFAULT_BASE, RelayClient } from "./client.js";
import { TaskView } from "./relay-task-view.js";

export class RelayTaskElement extends HTMLElement {
  static observedAttributes = ["task", "token", "base", "wire"];

  /** @type {TaskView|null} */
  #view = null;
  /** @type {RelayClient|null} */
  #client = null;
  /** @type {Omit<import("./client.js").RelayUpdate, "message">} */
  #update = { state: null, connection: "connecting", reason: "", clockOffset_s: 0 };
  #frame = 0;
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

  /** `ws` or `sse`; anything else counts as `ws`. */
  get wire() {
    return this.getAttribute("wire") === "sse" ? "sse" : "ws";
  }

  set wire(value) {
    this.setAttribute("wire", value);
  }

  /** The task's snapshot, null before the first message. */
  get state() {
    return this.#update.state;
  }

  connectedCallback() {
    this.#open();
  }

  disconnectedCallback() {
    this.#close();
  }

  attributeChangedCallback(
    /** @type {string} */ _name,
    /** @type {string|null} */ before,
    /** @type {string|null} */ now,
  ) {
    if (before === now || !this.#isOpen || this.#restarting) return;
    this.#restarting = true; // several attributes that are set together are one change
    queueMicrotask(() => {
      this.#restarting = false;
      if (!this.isConnected) return;
      this.#close();
      this.#open();
    });
  }

  #open() {
    const { task, token, base, wire } = this;
    const state = this.#update.state?.id === task ? this.#update.state : null;
    this.#update = { ...this.#update, state, connection: "connecting", reason: "" };
    if (!state || !this.#view) this.#view = this.#emptied();
    this.#isOpen = true;
    if (!task || !token) return this.#refuse(task ? "the token is missing" : "the task's id is missing");
    this.#render();
    this.#client = new RelayClient({ task, token, base, wire, state });
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
  #emptied() {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.replaceChildren();
    return new TaskView(root);
  }

  #refuse(/** @type {string} */ reason) {
    this.#take({ ...this.#update, connection: "refused", reason, message: null });
  }

  #take(/** @type {import("./client.js").RelayUpdate} */ update) {
    const wasDone = this.#update.state?.done != null;
    this.#update = update;
    this.#render();
    this.#fire("relay-update", update);
    if (!wasDone && update.state?.done) this.#fire("relay-done", update);
    if (update.connection === "refused") this.#fire("relay-error", update);
    if (update.connection === "ended" || update.connection === "refused") clearInterval(this.#ticking);
  }

  /** Events come faster than frames: what is shown is the state at the next frame. */
  #render() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#view?.render(this.#update, Date.now() / 1000 + this.#update.clockOffset_s);
    });
  }

  /**
   * @param {string} type
   * @param {import("./client.js").RelayUpdate} detail
   */
  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
