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

import { MISSING_BASE } from "../client/base.js";
import { originProblem } from "../client/origin-check.js";
import { RelayClient } from "../client/relay-client.js";
import { ServerClock } from "../client/server-clock.js";
import { adoptProperty } from "./adopt-property.js";
import { CompactView } from "./compact-view.js";
import { h } from "./dom.js";
import { STATE_LABELS } from "./format.js";
import { applyAccent, close, follow, HostElement, open } from "./host-element.js";
import { useLanguage } from "./language.js";
import { NotifyToggle } from "./notify-toggle.js";
import { TaskView } from "./task-view.js";
import { say, setOwnWords, wordsRevision } from "./words.js";

/** @import { RelayUpdate, Words } from "../../relay.js" */
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

export class RelayTaskElement extends HostElement {
  static observedAttributes = ["task", "token", "base", "wire", "theme", "accent", "lang", "compact", "notify"];

  /** @type {TaskView|CompactView|null} */
  #view = null;
  /** @type {NotifyToggle|null} */
  #notice = null;
  /** @type {Usual|null} */
  #usual = null;
  /** @type {Words} */
  #words = {};
  /** @type {RelayClient|null} */
  #client = null;
  /** @type {ViewUpdate} */
  #update = INITIAL;
  #frame = 0;
  /** The texts with which the view was created. */
  #wordsRevision = 0;
  /** The browser's clock may be wrong, or may be changed while the page is open. */
  #clock = new ServerClock();
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #interval;

  get task() {
    return this.getAttribute("task") ?? "";
  }

  set task(value) {
    this.setAttribute("task", value);
  }

  /** The preferred wire: `ws`, `sse` or `poll`. Any other value means `ws`. */
  get wire() {
    const wire = this.getAttribute("wire");
    return wire === "sse" || wire === "poll" ? wire : "ws";
  }

  set wire(value) {
    this.setAttribute("wire", value);
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

  /** @override */
  connectedCallback() {
    for (const name of /** @type {const} */ (["usual", "words"])) adoptProperty(this, name);
    super.connectedCallback();
  }

  /** @override @param {string} name */
  [follow](name) {
    if (name === "token" && this.token && this.#isActive) this.#renew(this.token);
    else if (name === "lang") this.#applyLanguage();
    else if (name === "compact" || name === "notify") this.#replaceView();
    else super[follow](name);
  }

  get #isActive() {
    return this.#client !== null && !["ended", "refused"].includes(this.#update.connection);
  }

  /** Continue with a fresh token; the view stays as it is. */
  #renew(/** @type {string} */ token) {
    this.#client?.renew(token);
    if (this.#view) this.#view.access = { ...this.#view.access, token };
  }

  /** @override @param {ShadowRoot} root */
  [open](root) {
    const { task, token, getToken, base, wire } = this;
    const state = this.#update.state?.id === task ? this.#update.state : null;
    this.#update = { ...INITIAL, clockOffset_s: this.#update.clockOffset_s, state };
    const access = { task, token, base };
    if (!state || !this.#view) this.#view = this.#createView(root, access);
    this.#view.access = access;
    if (this.lang) this.#applyLanguage();
    if (!task || !(token || getToken)) return this.#refuse(task ? "the token is missing" : "the task's id is missing");
    if (!base) return this.#refuse(MISSING_BASE);
    this.#render();
    this.#client = new RelayClient({ task, token, getToken, base, wire, state });
    this.#client.addEventListener("update", ({ detail }) => this.#apply(detail));
    this.#interval = setInterval(() => this.#render(), 1000);
  }

  /** @override */
  [close]() {
    this.#client?.stop();
    this.#client = null;
    clearInterval(this.#interval);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /**
   * Start an empty view, so that nothing of a previous task remains.
   *
   * @param {ShadowRoot} root
   * @param {Access} access
   */
  #createView(root, access) {
    root.replaceChildren();
    this.#wordsRevision = wordsRevision();
    const view = this.compact
      ? new CompactView(root, access)
      : new TaskView(root, access, () => this.#client?.resync());
    if (view instanceof TaskView) view.usual = this.#usual;
    this.#notice = view instanceof TaskView && this.notify ? this.#offerNotice(view) : null;
    return view;
  }

  /** Create the view again, which has other style sheets. */
  #replaceView() {
    if (!this.#view || !this.shadowRoot) return;
    this.#view = this.#createView(this.shadowRoot, this.#view.access);
    this[applyAccent]();
    this.#render();
  }

  async #applyLanguage() {
    await useLanguage(this.lang);
    this.#useWords();
  }

  /** Create the view again if it has other texts. */
  #useWords() {
    if (this.#wordsRevision !== wordsRevision()) this.#replaceView();
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
    if (!reason || !this.#client || this.#update.connection !== "offline") return;
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
