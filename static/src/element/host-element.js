// @ts-check
/** What the elements beside <relay-task> have in common: attributes, colors, and a content that follows the attributes. */
import { DEFAULT_BASE } from "../client/base.js";
import { accentSheets } from "./accent-sheet.js";
import { adoptProperty } from "./adopt-property.js";

/** @import { GetToken } from "../../relay.js" */

/** On a server that renders pages there is no DOM: the class can be loaded, but not used. */
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

export class HostElement extends Base {
  #isOpen = false;
  #isRestarting = false;
  /** @type {GetToken|undefined} */
  #getToken;

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

  get theme() {
    return this.getAttribute("theme") ?? "";
  }

  set theme(value) {
    this.setAttribute("theme", value);
  }

  get accent() {
    return this.getAttribute("accent") ?? "";
  }

  set accent(value) {
    this.setAttribute("accent", value);
  }

  /** Returns fresh tokens. */
  get getToken() {
    return this.#getToken;
  }

  set getToken(value) {
    if (value === this.#getToken) return;
    this.#getToken = value;
    this.#restart();
  }

  connectedCallback() {
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
    if (before === now || !this.#isOpen) return;
    if (name === "theme" || name === "accent") this.#applyStyles();
    else this.#restart();
  }

  /** The style sheets of the content. @type {CSSStyleSheet[]} */
  get styles() {
    return [];
  }

  /** Fill the shadow root. @param {ShadowRoot} _root it is empty */
  open(_root) {}

  /** Close all connections. */
  close() {}

  /** Several attributes may be set together. */
  #restart() {
    if (!this.#isOpen || this.#isRestarting) return;
    this.#isRestarting = true;
    queueMicrotask(() => {
      this.#isRestarting = false;
      if (!this.isConnected) return;
      this.#stop();
      this.#start();
    });
  }

  #start() {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.replaceChildren();
    this.#applyStyles();
    this.#isOpen = true;
    this.open(root);
  }

  #stop() {
    this.#isOpen = false;
    this.close();
  }

  #applyStyles() {
    if (this.shadowRoot)
      this.shadowRoot.adoptedStyleSheets = [...this.styles, ...accentSheets(this.accent, this.theme)];
  }
}
