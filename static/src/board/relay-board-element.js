// @ts-check
/**
 * <relay-board tag="…" token="…">: the tasks of a tag live, those that need attention first. A row opens its task.
 *
 * Fires `relay-open`, whose `detail` is the task's snapshot, when a reader opens a row. The element shows the task in the
 * place of the list, unless a listener calls `preventDefault()`.
 */
import { RelayBoard } from "../client/relay-board.js";
import { ServerClock } from "../client/server-clock.js";
import { h, setText } from "../element/dom.js";
import { CONNECTION_LABELS } from "../element/format.js";
import { close, HostElement, open } from "../element/host-element.js";
import { outputAddress } from "../element/output-address.js";
import theme from "../element/theme.css" with { type: "css" };
import { say } from "../element/words.js";
import board from "./board-element.css" with { type: "css" };
import "./board-words.js";
import rows from "./rows.css" with { type: "css" };
import { byAttention } from "./task-groups.js";
import { TaskRow } from "./task-row.js";
import { Thumbnails } from "./thumbnails.js";

/** @import { BoardUpdate, Snapshot } from "../../relay.js" */

export class RelayBoardElement extends HostElement {
  static observedAttributes = ["tag", "token", "base", "theme", "accent"];

  /** @type {RelayBoard|null} */
  #board = null;
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  #clock = new ServerClock();
  #thumbnails = new Thumbnails({
    address: async (_task, output) => outputAddress(output, this),
    // Without a copy, the relay redirects to the platform. Without a token, it would refuse.
    hasCopies: async () => this.token !== "",
  });
  #frame = 0;
  /** @type {ReturnType<typeof setInterval>|undefined} */
  #interval;
  #connection = h("span", { class: "pill", part: "connection" });
  #notice = h("p", { class: "notice", role: "alert", hidden: true });
  #empty = h("p", { class: "empty", hidden: true });
  #list = h("ul", { class: "tasks", part: "list" });
  #opened = h("div", { class: "opened", part: "opened", hidden: true });

  get tag() {
    return this.getAttribute("tag") ?? "";
  }

  set tag(value) {
    this.setAttribute("tag", value);
  }

  /** @override @param {ShadowRoot} root */
  [open](root) {
    this.#list.setAttribute("aria-label", say("board.tasks"));
    setText(this.#empty, say("board.empty"));
    const head = h("div", { class: "head" }, this.#connection);
    root.adoptedStyleSheets = [theme, rows, board].flatMap((sheet) => sheet ?? []);
    root.replaceChildren(head, this.#notice, this.#empty, this.#list, this.#opened);
    this.#notice.hidden = true;
    this.#empty.hidden = true;
    const { tag, token, getToken, base } = this;
    if (!tag || !(token || getToken)) return this.#refuse(tag ? "The token is missing." : "The tag is missing.");
    this.#thumbnails.start();
    this.#board = new RelayBoard({ base });
    this.#board.addEventListener("update", ({ detail }) => this.#apply(detail));
    this.#board.subscribeTag(tag, { token, getToken });
    this.#interval = setInterval(() => this.#render(), 1000);
  }

  /** @override */
  [close]() {
    this.#board?.stop();
    this.#board = null;
    clearInterval(this.#interval);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#thumbnails.reset();
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#showList();
  }

  #apply(/** @type {BoardUpdate} */ { task, state, message, connection, reason }) {
    this.#clock.adjust(message);
    setText(this.#connection, CONNECTION_LABELS[connection]);
    this.#connection.title = reason;
    if (message?.type === "error") this.#refuse(message.detail ?? "");
    if (message?.type === "listed") this.#empty.hidden = this.#rows.size > 0;
    if (task && state) this.#update(state);
    else if (task) this.#remove(task);
    this.#render();
  }

  #refuse(/** @type {string} */ reason) {
    this.#notice.hidden = false;
    setText(this.#notice, `${say("board.refused")}. ${reason}`);
  }

  #update(/** @type {Snapshot} */ state) {
    this.#empty.hidden = true;
    const row = this.#rows.get(state.id) ?? this.#add(state);
    row.render(state, this.#clock.now());
  }

  #add(/** @type {Snapshot} */ state) {
    const row = new TaskRow(state, (output) => this.#thumbnails.show(row, output), { isManaged: false });
    row.opener.addEventListener("click", () => this.#open(row));
    this.#rows.set(state.id, row);
    return row;
  }

  #remove(/** @type {string} */ task) {
    this.#rows.get(task)?.element.remove();
    this.#rows.delete(task);
    this.#empty.hidden = this.#rows.size > 0;
  }

  #open(/** @type {TaskRow} */ row) {
    const event = new CustomEvent("relay-open", { detail: row.task, bubbles: true, composed: true, cancelable: true });
    if (!this.dispatchEvent(event)) return;
    const back = h("button", { type: "button" }, say("board.all"));
    back.addEventListener("click", () => {
      this.#showList();
      row.opener.focus();
    });
    const { base, token, theme, accent, getToken } = this;
    const task = h("relay-task", { task: row.task.id, token, base, theme, accent });
    Object.assign(task, { getToken });
    this.#list.hidden = true;
    this.#opened.hidden = false;
    this.#opened.replaceChildren(back, task);
    back.focus();
  }

  #showList() {
    this.#opened.replaceChildren();
    this.#opened.hidden = true;
    this.#list.hidden = false;
  }

  /** Sort the rows at the next frame. Rows that are in place are not moved, so that the focus stays in them. */
  #render() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const sorted = [...this.#rows.values()].sort((one, other) => byAttention(one.task, other.task));
      sorted.forEach((row, index) => {
        row.tick(this.#clock.now());
        const present = this.#list.children[index] ?? null;
        if (present !== row.element) this.#list.insertBefore(row.element, present);
      });
    });
  }
}
