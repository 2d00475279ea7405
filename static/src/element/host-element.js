// @ts-check
/** What the elements have in common: attributes, the accent, and a content that follows the attributes. */
import { DEFAULT_BASE } from "../client/base.js";
import { adoptProperty } from "./adopt-property.js";

/** @import { GetToken } from "../../relay.js" */

// What an element adds to this class, or calls. Symbols, so that the public interface stays as it is declared.

/** Show the content, and connect. */
export const open = Symbol("open");
/** Close all connections. */
export const close = Symbol("close");
/** Apply an attribute that has changed. */
export const follow = Symbol("follow");
/** Add the style sheets of the accent to those of the content. */
export const applyAccent = Symbol("applyAccent");

/** On a server that renders pages there is no DOM: the class can be loaded, but not used. */
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

export class HostElement extends Base {
  #isOpen = false;
  #isRestarting = false;
  /** @type {GetToken|undefined} */
  #getToken;
  /** The style sheets of the accent. @type {CSSStyleSheet[]} */
  #accentSheets = [];

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

  /** Returns fresh tokens, so that the element can outlive its first one. Functions cannot be attributes. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(value) {
    if (value === this.#getToken) return;
    this.#getToken = value;
    if (this.#isOpen) this.#restart();
  }

  connectedCallback() {
    // A framework may set properties before this script has been loaded.
    adoptProperty(this, "getToken");
    if (!this.#isOpen) this.#start();
  }

  disconnectedCallback() {
    // An element that is moved is removed and added again within one turn of the event loop.
    queueMicrotask(() => this.isConnected || this.#stop());
  }

  attributeChangedCallback(
    /** @type {string} */ name,
    /** @type {string|null} */ before,
    /** @type {string|null} */ now,
  ) {
    if (before !== now && this.#isOpen && !this.#isRestarting) this[follow](name);
  }

  [follow](/** @type {string} */ name) {
    if (name === "theme" || name === "accent") this[applyAccent]();
    else this.#restart();
  }

  /** @param {ShadowRoot} _root with the content of the last time */
  [open](_root) {}

  [close]() {}

  /** Few pages set an accent, so its module is loaded only then. */
  async [applyAccent]() {
    const { accent, theme } = this;
    const sheets = accent ? (await import("./accent-sheet.js")).accentSheets(accent, theme) : [];
    const root = this.shadowRoot;
    if (!root || accent !== this.accent || theme !== this.theme) return;
    const others = root.adoptedStyleSheets.filter((sheet) => !this.#accentSheets.includes(sheet));
    this.#accentSheets = sheets;
    root.adoptedStyleSheets = [...others, ...sheets];
  }

  /** Several attributes may be set together. */
  #restart() {
    if (this.#isRestarting) return;
    this.#isRestarting = true;
    queueMicrotask(() => {
      this.#isRestarting = false;
      if (!this.isConnected) return;
      this.#stop();
      this.#start();
    });
  }

  #start() {
    this.#isOpen = true;
    this[open](this.shadowRoot ?? this.attachShadow({ mode: "open" }));
    this[applyAccent]();
  }

  #stop() {
    this.#isOpen = false;
    this[close]();
  }
}
