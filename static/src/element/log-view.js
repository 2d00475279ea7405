// @ts-check
/**
 * Shows the log of a task with one row per line. It scrolls to the newest line until the reader scrolls up.
 *
 * A row is kept as long as its line exists: when the front of the log is cut, the text that a reader is looking at or
 * has selected must not move.
 */
import { copyText } from "./clipboard.js";
import { h, setText } from "./dom.js";
import { NEAR_PX } from "./follow-end.js";
import { linesOf } from "./log-lines.js";
import { say } from "./words.js";

/** @import { Log } from "../../relay.js" */
/** @import { Line } from "./log-lines.js" */

export class LogView {
  #pane;
  #newest;
  #follow;
  /** @type {readonly Log[]} */
  #log = [];
  /** @type {Line[]} */
  #lines = [];
  #unread = 0;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.pane
   * @param {HTMLElement} parts.newest the button that scrolls to the newest line
   * @param {HTMLInputElement} parts.follow the checkbox that turns following on and off
   * @param {HTMLElement} parts.copy
   */
  constructor({ pane, newest, follow, copy }) {
    this.#pane = pane;
    this.#newest = newest;
    this.#follow = follow;
    pane.addEventListener("scroll", () => {
      // A collapsed pane has no height, and nobody scrolls it.
      if (pane.clientHeight) this.#setFollowing(pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR_PX);
    });
    // Lines that were added while the pane had no height could not be scrolled to.
    new ResizeObserver(() => this.#scrollIfFollowing()).observe(pane);
    newest.addEventListener("click", () => this.#setFollowing(true));
    follow.addEventListener("change", () => this.#setFollowing(follow.checked));
    copy.addEventListener("click", () => this.#copy(copy));
  }

  /**
   * @param {readonly Log[]} log
   * @param {number} dropped UTF-16 units that were cut from its front
   */
  render(log, dropped) {
    if (log === this.#log) return;
    const last = this.#lines.at(-1)?.at ?? -1;
    this.#log = log;
    const lines = linesOf(log, dropped);
    this.#updateRows(lines);
    this.#lines = lines;
    if (!this.#follow.checked) this.#unread += lines.filter(({ at }) => at > last).length;
    this.#renderUnread();
    this.#scrollIfFollowing();
  }

  /** Remove the rows of lines that were cut, update the others, and append rows for new lines. */
  #updateRows(/** @type {Line[]} */ lines) {
    const before = this.#lines;
    const first = lines[0]?.at ?? Infinity;
    let gone = before.findIndex(({ at }) => at >= first);
    if (gone < 0) gone = before.length;
    for (let i = 0; i < gone; i += 1) this.#pane.firstElementChild?.remove();
    const kept = before.slice(gone);
    const cut = kept.length && lines[0].at < kept[0].at ? 1 : 0; // a line that lost its front has a new offset
    if (cut) this.#pane.prepend(row(lines[0]));
    lines.slice(cut).forEach((line, index) => {
      const old = kept[index];
      const shown = /** @type {HTMLElement|undefined} */ (this.#pane.children[index + cut]);
      if (!shown) {
        this.#pane.append(row(line));
        return;
      }
      if (old?.text !== line.text) setText(shown, line.text);
      if (old?.stream !== line.stream) shown.dataset.stream = line.stream;
    });
    while (this.#pane.children.length > lines.length) this.#pane.lastElementChild?.remove();
  }

  #setFollowing(/** @type {boolean} */ following) {
    this.#follow.checked = following;
    if (following) this.#unread = 0;
    this.#renderUnread();
    this.#scrollIfFollowing();
  }

  #renderUnread() {
    this.#newest.hidden = this.#follow.checked;
    const count = this.#unread;
    setText(this.#newest, count === 0 ? say("log.end") : say("log.new", { count }));
  }

  #scrollIfFollowing() {
    if (this.#follow.checked) this.#pane.scrollTop = this.#pane.scrollHeight;
  }

  async #copy(/** @type {HTMLElement} */ button) {
    const copied = await copyText(this.#lines.map(({ text }) => text).join("\n"));
    setText(button, say(copied ? "copy.copied" : "copy.blocked"));
  }
}

function row(/** @type {Line} */ { stream, text }) {
  return h("div", { "data-stream": stream }, text);
}
