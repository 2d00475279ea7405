// @ts-check
/** The board's rows: filled from the list, kept live by a `RelayBoard`, in the order of their urgency, filtered. */
import { RelayBoard } from "./board.js";
import { byUrgency, countGroups, isShown } from "./board-view.js";
import { TaskRow } from "./task-row.js";

/** @typedef {import("./types.js").Snapshot} Snapshot */
/** @typedef {import("./board-view.js").Filter} Filter */

export class TaskList {
  #list;
  #open;
  #changed;
  #board = new RelayBoard();
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  /** @type {Filter} */
  #filter = { group: "", tag: "", text: "" };
  #frame = 0;

  /**
   * @param {HTMLElement} list
   * @param {object} what
   * @param {(task: string) => void} what.open called when a row is chosen
   * @param {() => void} what.changed called after the rows, or the connection, are others
   */
  constructor(list, { open, changed }) {
    this.#list = list;
    this.#open = open;
    this.#changed = changed;
    this.#board.addEventListener("update", (event) => {
      const { state } = /** @type {CustomEvent<import("./board.js").BoardUpdate>} */ (event).detail;
      if (state) this.#show(state);
      this.#arrangeSoon();
    });
    setInterval(() => this.#tick(), 1000);
  }

  get connection() {
    return this.#board.connection;
  }

  /** Is nothing in it? */
  get isEmpty() {
    return this.#rows.size === 0;
  }

  /** How many are hidden by the filter, and whether that is all of them. */
  get hidesAll() {
    return this.#rows.size > 0 && [...this.#rows.values()].every(({ element }) => element.hidden);
  }

  get counts() {
    return countGroups(this.#tasks());
  }

  /** The tags of all tasks, each once. */
  get tags() {
    return [...new Set([...this.#tasks()].flatMap(({ tags }) => tags))].sort();
  }

  get filter() {
    return this.#filter;
  }

  set filter(filter) {
    this.#filter = filter;
    this.#arrange();
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
    this.#arrange();
  }

  /** Follow nothing any more, and show nothing. */
  clear() {
    this.#board.stop();
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#arrange();
  }

  /** Follow a tag besides: what joins it appears by itself. */
  followTag(/** @type {string} */ tag, /** @type {string} */ key) {
    this.#board.subscribeTag(tag, key);
  }

  #tasks() {
    return [...this.#rows.values()].map(({ task }) => task);
  }

  #show(/** @type {Snapshot} */ task) {
    let row = this.#rows.get(task.id);
    if (!row) {
      row = new TaskRow(task);
      row.button.addEventListener("click", () => this.#open(task.id));
      this.#rows.set(task.id, row);
    }
    row.render(task, Date.now() / 1000);
  }

  #arrangeSoon() {
    this.#frame ||= requestAnimationFrame(() => this.#arrange());
  }

  /** Bring the rows into their order; one that stands right already is not touched, so that the focus stays in it. */
  #arrange() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const rows = [...this.#rows.values()].sort((one, other) => byUrgency(one.task, other.task));
    const focused = document.activeElement;
    rows.forEach(({ element, task }, index) => {
      element.hidden = !isShown(task, this.#filter);
      if (this.#list.children[index] !== element) this.#list.insertBefore(element, this.#list.children[index] ?? null);
    });
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.#changed();
  }

  #tick() {
    if (document.visibilityState === "hidden") return;
    for (const row of this.#rows.values()) row.tick(Date.now() / 1000);
  }
}
