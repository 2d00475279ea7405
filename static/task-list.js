// @ts-check
/** The dashboard's rows, newest first: filled from the list, kept live by a board. */
import { RelayBoard } from "./board.js";
import { h, setText, textElement } from "./dom.js";
import { dateAndTime, shortStatus } from "./format.js";

/** @typedef {import("./types.js").Snapshot} Snapshot */

export class TaskList {
  #list;
  #open;
  #board = new RelayBoard();
  /** @type {Map<string, HTMLLIElement>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} list
   * @param {(task: string) => void} open called when a row is chosen
   */
  constructor(list, open) {
    this.#list = list;
    this.#open = open;
    this.#board.addEventListener("update", (event) => {
      const { state } = /** @type {CustomEvent<import("./board.js").BoardUpdate>} */ (event).detail;
      if (state) this.#show(state);
    });
  }

  /** Is nothing in it? */
  get isEmpty() {
    return this.#rows.size === 0;
  }

  /**
   * Add tasks, or take their newer state, and follow those that have not ended.
   *
   * @param {Snapshot[]} tasks
   * @param {string} key the API key
   */
  add(tasks, key) {
    for (const task of tasks) {
      const known = this.#board.states.get(task.id);
      this.#show(known && known.seq > task.seq ? known : task);
      this.#board.subscribe(task.id, key, task);
    }
  }

  /** Follow nothing any more, and show nothing. */
  clear() {
    this.#board.stop();
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  #show(/** @type {Snapshot} */ task) {
    const row = this.#rows.get(task.id) ?? this.#insert(task);
    row.dataset.state = task.state;
    const [, status, , progress] = /** @type {HTMLElement} */ (row.firstElementChild).children;
    setText(status, shortStatus(task));
    const bar = /** @type {HTMLProgressElement} */ (progress);
    const percent = task.progress?.percent ?? null;
    bar.hidden = task.done !== null || percent === null;
    if (percent !== null) bar.value = Math.max(bar.value, percent);
  }

  #insert(/** @type {Snapshot} */ task) {
    const row = h(
      "li",
      { "data-created": String(task.created_at) },
      h(
        "button",
        { type: "button" },
        textElement("span", task.model, "model"),
        textElement("span", "", "status"),
        textElement("span", [dateAndTime(task.created_at), ...task.tags.map((tag) => `#${tag}`)].join(" · "), "faint"),
        h("progress", { max: "100", "aria-label": "Progress" }),
      ),
    );
    row.addEventListener("click", () => this.#open(task.id));
    this.#rows.set(task.id, row);
    const older = [...this.#list.children].find((other) => createdAt(other) < task.created_at);
    this.#list.insertBefore(row, older ?? null);
    return row;
  }
}

function createdAt(/** @type {Element} */ row) {
  return Number(/** @type {HTMLElement} */ (row).dataset.created);
}
