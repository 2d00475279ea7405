// @ts-check
/**
 * <relay-task task="…" token="…">: shows one task live. This module defines the class; define.js registers it.
 *
 * The attributes are the only source of truth. The element connects when it is added to a document and disconnects when
 * it is removed. It keeps its state, so that it resumes when it is added again. Moving it within a document does not
 * disconnect it. Its own content is shown until the first state arrives.
 *
 * Fires these events, which bubble and are composed, with a `RelayUpdate` as `detail`: `relay-update` for every message
 * and every change of the connection, `relay-done` once when the task is done, `relay-error` when the relay refuses it.
 *
 * Parts for `::part()`: card, head, state, connection, lost, notices, progress, bar, fill, stages, rail, verdict,
 * numbers, outputs, output, lightbox, segments, log, actions, cancel. theme.css lists the custom properties, such as
 * `--relay-accent` and `--relay-radius`. Light or dark follows the attribute `theme`, and without it the `color-scheme`
 * of the page.
 */

import { DEFAULT_BASE, MISSING_BASE } from "../client/base.js";
import { originProblem } from "../client/origin-check.js";
import { RelayClient } from "../client/relay-client.js";
import { ServerClock } from "../client/server-clock.js";
import { adoptProperty } from "./adopt-property.js";
import { CompactView } from "./compact-view.js";
import { h } from "./dom.js";
import { STATE_LABELS } from "./format.js";
import { useLanguage } from "./language.js";
import { NotifyToggle } from "./notify-toggle.js";
import { TaskView } from "./task-view.js";
import { say, setOwnWords, wordsRevision } from "./words.js";

/** @import { GetToken, RelayUpdate, Words } from "../../relay.js" */
/** @import { Access } from "../client/task-calls.js" */
/** @import { ViewUpdate } from "./task-view.js" */
/** @import { Usual } from "./usual-length.js" */

/** @type {ViewUpdate} */
const INITIAL = {
  state: null,
  connection: "connecting",
  reason: "",
  fault: null,
  clockOffset_s: 0,
  offlineSince: null,
  retryAt: null,
  heardAt: null,
  missing: 0,
  wire: "ws",
};

/** On a server that renders pages there is no DOM: the class can be loaded, but not used. */
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

export class RelayTaskElement extends Base {
  static observedAttributes = ["task", "token", "base", "wire", "theme", "accent", "lang", "compact", "notify"];

  /** @type {TaskView|CompactView|null} */
  #view = null;
  /** @type {NotifyToggle|null} */
  #notice = null;
  /** The style sheets of the accent. @type {CSSStyleSheet[]} */
  #accentSheets = [];
  /** @type {Usual|null} */
  #usual = null;
  /** @type {Words} */
  #words = {};
  /** @type {RelayClient|null} */
  #client = null;
  /** @type {ViewUpdate} */
  #update = INITIAL;
  /** @type {GetToken|undefined} */
  #getToken;
  #frame = 0;
  /** The texts with which the view was created. */
  #wordsRevision = 0;
  /** The browser's clock may be wrong, or may be changed while the page is open. */
  #clock = new ServerClock();
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #interval;
  #isOpen = false;
  #isRestarting = false;

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

  /** The relay's address. Defaults to the relay that served this module. */
  get base() {
    return this.getAttribute("base") || DEFAULT_BASE;
  }

  set base(value) {
    this.setAttribute("base", value);
  }

  /** The preferred wire: `ws`, `sse` or `poll`. Any other value means `ws`. */
  get wire() {
    const wire = this.getAttribute("wire");
    return wire === "sse" || wire === "poll" ? wire : "ws";
  }

  set wire(value) {
    this.setAttribute("wire", value);
  }

  /** `light`, `dark`, or `auto` for the reader's setting. Empty follows the `color-scheme` of the page. */
  get theme() {
    return this.getAttribute("theme") ?? "";
  }

  set theme(value) {
    this.setAttribute("theme", value);
  }

  /** `#rgb` or `#rrggbb`. A color that is too light or too dark to read is adjusted. */
  get accent() {
    return this.getAttribute("accent") ?? "";
  }

  set accent(value) {
    this.setAttribute("accent", value);
  }

  /** Whether to show one line instead of the card. */
  get compact() {
    return this.hasAttribute("compact");
  }

  set compact(value) {
    this.toggleAttribute("compact", value);
  }

  /** Whether to offer a button by which the reader asks for a sound and a notification at the end. */
  get notify() {
    return this.hasAttribute("notify");
  }

  set notify(value) {
    this.toggleAttribute("notify", value);
  }

  /** Returns fresh tokens, so that the element can outlive its first one. Functions cannot be attributes. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(value) {
    if (value === this.#getToken) return;
    this.#getToken = value;
    this.attributeChangedCallback("getToken", null, "");
  }

  /** How long such tasks usually take in all. The stages are shown over it; without it, over the relay's estimate. */
  get usual() {
    return this.#usual;
  }

  set usual(value) {
    this.#usual = value;
    if (this.#view instanceof TaskView) this.#view.usual = value;
    this.#render();
  }

  /** Texts that replace those of the element, by their keys. They count for all elements of the page. */
  get words() {
    return this.#words;
  }

  set words(value) {
    this.#words = value;
    setOwnWords(value);
    this.#useWords();
  }

  /** The task's snapshot, null before the first message. */
  get state() {
    return this.#update.state;
  }

  connectedCallback() {
    // A framework may set properties before this script has been loaded.
    for (const name of /** @type {const} */ (["getToken", "usual", "words"])) adoptProperty(this, name);
    if (!this.#isOpen) this.#open();
  }

  disconnectedCallback() {
    // An element that is moved is removed and added again within one turn of the event loop.
    queueMicrotask(() => this.isConnected || this.#close());
  }

  attributeChangedCallback(
    /** @type {string} */ name,
    /** @type {string|null} */ before,
    /** @type {string|null} */ now,
  ) {
    if (before === now || !this.#isOpen || this.#isRestarting) return;
    if (name === "token" && now && this.#isActive) return this.#renew(now);
    if (name === "theme" || name === "accent") return void this.#applyAccent();
    if (name === "lang") return void this.#applyLanguage();
    if (name === "compact" || name === "notify") {
      if (this.#view) this.#view = this.#createView(this.#view.access);
      return this.#render();
    }
    this.#isRestarting = true; // several attributes may be set together
    queueMicrotask(() => {
      this.#isRestarting = false;
      if (!this.isConnected) return;
      this.#close();
      this.#open();
    });
  }

  get #isActive() {
    return this.#client !== null && !["ended", "refused"].includes(this.#update.connection);
  }

  /** Continue with a fresh token; the view stays as it is. */
  #renew(/** @type {string} */ token) {
    this.#client?.renew(token);
    if (this.#view) this.#view.access = { ...this.#view.access, token };
  }

  #open() {
    const { task, token, base, wire } = this;
    const getToken = this.#getToken;
    const state = this.#update.state?.id === task ? this.#update.state : null;
    this.#update = { ...INITIAL, clockOffset_s: this.#update.clockOffset_s, state };
    const access = { task, token, base };
    if (!state || !this.#view) this.#view = this.#createView(access);
    this.#view.access = access;
    this.#isOpen = true;
    if (this.lang) this.#applyLanguage();
    if (!task || !(token || getToken)) return this.#refuse(task ? "the token is missing" : "the task's id is missing");
    if (!base) return this.#refuse(MISSING_BASE);
    this.#render();
    this.#client = new RelayClient({ task, token, getToken, base, wire, state });
    this.#client.addEventListener("update", ({ detail }) => this.#apply(detail));
    this.#interval = setInterval(() => this.#render(), 1000);
  }

  #close() {
    this.#isOpen = false;
    this.#client?.stop();
    this.#client = null;
    clearInterval(this.#interval);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** Start an empty view, so that nothing of a previous task remains. */
  #createView(/** @type {Access} */ access) {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.replaceChildren();
    this.#wordsRevision = wordsRevision();
    const view = this.compact
      ? new CompactView(root, access)
      : new TaskView(root, access, () => this.#client?.resync());
    if (view instanceof TaskView) view.usual = this.#usual;
    this.#applyAccent();
    this.#notice = view instanceof TaskView && this.notify ? this.#offerNotice(view) : null;
    return view;
  }

  /** Few pages set an accent, so its module is loaded only then. */
  async #applyAccent() {
    const { accent, theme } = this;
    const sheets = accent ? (await import("./accent-sheet.js")).accentSheets(accent, theme) : [];
    const root = this.shadowRoot;
    if (!root || accent !== this.accent || theme !== this.theme) return;
    const others = root.adoptedStyleSheets.filter((sheet) => !this.#accentSheets.includes(sheet));
    this.#accentSheets = sheets;
    root.adoptedStyleSheets = [...others, ...sheets];
  }

  async #applyLanguage() {
    await useLanguage(this.lang);
    this.#useWords();
  }

  /** Create the view again if it has other texts. */
  #useWords() {
    if (!this.#view || this.#wordsRevision === wordsRevision()) return;
    this.#view = this.#createView(this.#view.access);
    this.#render();
  }

  #offerNotice(/** @type {TaskView} */ view) {
    const button = h("button", { type: "button", class: "notify", part: "notify" }, say("notify"));
    return new NotifyToggle(button, view.addControl(button));
  }

  #refuse(/** @type {string} */ reason) {
    this.#apply({ ...this.#update, connection: "refused", reason, message: null });
  }

  #apply(/** @type {RelayUpdate} */ update) {
    const wasDone = this.#update.state?.done != null;
    this.#update = update;
    this.#clock.adjust(update.message);
    const token = this.#client?.token;
    if (token && this.#view) this.#view.access = { ...this.#view.access, token };
    if (update.connection === "offline" && !update.state) this.#explainOrigin();
    this.#render();
    this.#fire("relay-update", update);
    if (!wasDone && update.state?.done) {
      const { id, state, model } = update.state;
      this.#notice?.send({ title: `${STATE_LABELS[state]}: ${model}`, tag: id, isGood: state === "succeeded" });
      this.#fire("relay-done", update);
    }
    if (update.connection === "refused") this.#fire("relay-error", update);
    if (update.connection === "ended" || update.connection === "refused") clearInterval(this.#interval);
  }

  /** Replace the reason if the relay is reachable but does not allow this page's origin. */
  async #explainOrigin() {
    const reason = await originProblem(this.base);
    if (!reason || !this.#isOpen || this.#update.connection !== "offline") return;
    this.#update = { ...this.#update, reason };
    this.#render();
  }

  /** Render at the next frame, since events may arrive faster than frames. */
  #render() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#view?.render(this.#update, this.#clock.now());
    });
  }

  /**
   * @param {string} type
   * @param {RelayUpdate} detail
   */
  #fire(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
