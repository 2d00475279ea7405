// @ts-check
/**
 * The rows of the inspector. Only the newest rows that match the filter are in the page, but the filter searches all
 * lines. All that arrives within a frame is drawn, and laid out, at once.
 */
import { h, textElement } from "../src/element/dom.js";

const MAX_ROWS = 250;

/** Older lines are dropped, in steps, because each step copies the list. */
const MAX_LINES = 20_000;
const TRIM_LINES = 1000;

/**
 * @typedef {object} Line
 * @property {"event"|"message"|"connection"} kind
 * @property {string} seq empty for what is not an event
 * @property {string} time
 * @property {string} type
 * @property {string} text
 */

export class MessageList {
  #container;
  #onDraw;
  /** @type {Line[]} */
  #lines = [];
  /** The number of lines at the front of the list that have been drawn, or did not match. */
  #drawn = 0;
  #matching = 0;
  #words = "";
  #frame = 0;

  /**
   * @param {HTMLElement} container
   * @param {() => void} onDraw called after rows were drawn
   */
  constructor(container, onDraw) {
    this.#container = container;
    this.#onDraw = onDraw;
  }

  get lines() {
    return this.#lines;
  }

  /** How many lines match the filter, of those that have been drawn. */
  get matching() {
    return this.#matching;
  }

  /** How many of them are in the page. */
  get shown() {
    return Math.min(this.#matching, MAX_ROWS);
  }

  /** Show only lines with this text, ignoring case. */
  set filter(/** @type {string} */ text) {
    this.#words = text.trim().toLowerCase();
    this.#redraw();
  }

  add(/** @type {Line} */ line) {
    this.#lines.push(line);
    if (this.#lines.length >= MAX_LINES + TRIM_LINES) {
      this.#lines = this.#lines.slice(-MAX_LINES);
      this.#redraw();
    }
    this.#drawSoon();
  }

  #redraw() {
    this.#container.replaceChildren();
    this.#drawn = 0;
    this.#matching = 0;
    this.#drawSoon();
  }

  #drawSoon() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const added = this.#lines.slice(this.#drawn).filter((line) => this.#matches(line));
    this.#drawn = this.#lines.length;
    this.#matching += added.length;
    this.#container.append(...added.slice(-MAX_ROWS).map(row));
    while (this.#container.children.length > MAX_ROWS) this.#container.firstElementChild?.remove();
    this.#onDraw();
  }

  #matches(/** @type {Line} */ { type, text }) {
    return this.#words === "" || `${type} ${text}`.toLowerCase().includes(this.#words);
  }
}

function row(/** @type {Line} */ { kind, seq, time, type, text }) {
  return h(
    "div",
    { "data-kind": kind },
    textElement("span", seq, "seq"),
    textElement("span", time, "faint"),
    textElement("span", type, "type"),
    textElement("span", text, "raw"),
  );
}
