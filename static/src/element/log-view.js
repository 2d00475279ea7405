// @ts-check
/**
 * Shows the log of a task, a row for each line, the newest in sight until the reader scrolls up.
 *
 * Rows stay while their line does: the front of a log is cut while somebody reads it, and what they read or have
 * selected must not move.
 */
import { copyText } from "./clipboard.js";
import { h, setText } from "./dom.js";
import { linesOf } from "./log-lines.js";

/** @typedef {import("../client/types.js").Log} Log */
/** @typedef {import("./log-lines.js").Line} Line */

/** So near to its end, in CSS pixels, the pane counts as being at its end: zoomed pages scroll in fractions. */
const NEAR_PX = 8;

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
   * @param {HTMLElement} parts.newest the button that goes back to the newest lines
   * @param {HTMLInputElement} parts.follow the box that says whether the newest lines are followed
   * @param {HTMLElement} parts.copy
   */
  constructor({ pane, newest, follow, copy }) {
    this.#pane = pane;
    this.#newest = newest;
    this.#follow = follow;
    pane.addEventListener("scroll", () => {
      // A pane that is folded away has no height and no reader.
      if (pane.clientHeight) this.#setFollowing(pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR_PX);
    });
    // Lines that came while the pane had no height could not be scrolled to.
    new ResizeObserver(() => this.#toEndIfFollowing()).observe(pane);
    newest.addEventListener("click", () => this.#setFollowing(true));
    follow.addEventListener("change", () => this.#setFollowing(follow.checked));
    copy.addEventListener("click", () => this.#copy(copy));
  }

  /**
   * @param {readonly Log[]} log
   * @param {number} dropped
   */
  render(log, dropped) {
    if (log === this.#log) return;
    const last = this.#lines.at(-1)?.at ?? -1;
    this.#log = log;
    const lines = linesOf(log, dropped);
    this.#place(lines);
    this.#lines = lines;
    if (!this.#follow.checked) this.#unread += lines.filter(({ at }) => at > last).length;
    this.#renderUnread();
    this.#toEndIfFollowing();
  }

  /** Bring the rows to `lines`: from the front what was cut goes, the rest is matched, what is new comes to the end. */
  #place(/** @type {Line[]} */ lines) {
    const before = this.#lines;
    const first = lines[0]?.at ?? Infinity;
    let gone = before.findIndex(({ at }) => at >= first);
    if (gone < 0) gone = before.length;
    for (let i = 0; i < gone; i += 1) this.#pane.firstElementChild?.remove();
    const kept = before.slice(gone);
    const cut = kept.length && lines[0].at < kept[0].at ? 1 : 0; // a line that lost its front begins elsewhere now
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
    this.#toEndIfFollowing();
  }

  #renderUnread() {
    this.#newest.hidden = this.#follow.checked;
    setText(
      this.#newest,
      this.#unread === 1 ? "1 new line ↓" : this.#unread ? `${this.#unread} new lines ↓` : "To the end ↓",
    );
  }

  #toEndIfFollowing() {
    if (this.#follow.checked) this.#pane.scrollTop = this.#pane.scrollHeight;
  }

  async #copy(/** @type {HTMLElement} */ button) {
    const copied = await copyText(this.#lines.map(({ text }) => text).join("\n"));
    setText(button, copied ? "Copied" : "The browser does not allow it");
  }
}

function row(/** @type {Line} */ { stream, text }) {
  return h("div", { "data-stream": stream }, text);
}
