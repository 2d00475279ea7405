// @ts-check
/** The board's rows: in the order of their urgency, filtered, and kept live by a `RelayBoard` that follows all tasks. */
import { RelayBoard } from "../client/relay-board.js";
import { ServerClock } from "../client/server-clock.js";
import { byUrgency, countGroups, fits, groupOf, isEndedGroup, NO_FILTER } from "./task-groups.js";
import { TaskRow } from "./task-row.js";

/** @typedef {import("../client/types.js").Snapshot} Snapshot */
/** @typedef {import("./task-groups.js").Filter} Filter */

export class TaskList {
  #list;
  #open;
  #changed;
  #board = new RelayBoard();
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  #filter = NO_FILTER;
  /** @type {Set<string>} the tasks that the relay has found for the filter */
  #found = new Set();
  #frame = 0;

  /** The relay's clock, by which all times are shown. */
  clock = new ServerClock();

  /**
   * @param {HTMLElement} list
   * @param {object} calls
   * @param {(task: string) => void} calls.open called when a row is chosen
   * @param {() => void} calls.changed called after rows, or the connection, have changed
   * @param {() => void} calls.listed called when the relay has begun to tell of all tasks: now, or again
   */
  constructor(list, { open, changed, listed }) {
    this.#list = list;
    this.#open = open;
    this.#changed = changed;
    this.#board.addEventListener("update", (event) => {
      const { state, message } = /** @type {CustomEvent<import("../client/relay-board.js").BoardUpdate>} */ (event)
        .detail;
      this.clock.hear(message);
      if (state) this.#show(state);
      if (message?.type === "listed") listed();
      this.#arrangeSoon();
    });
    setInterval(() => this.#tick(), 1000);
  }

  get connection() {
    return this.#board.connection;
  }

  get isEmpty() {
    return this.#rows.size === 0;
  }

  /** Whether the filter hides all rows. */
  get hidesAll() {
    return this.#rows.size > 0 && [...this.#rows.values()].every(({ element }) => element.hidden);
  }

  /** How many tasks are in each group, of those that fit the rest of the filter. */
  get counts() {
    return countGroups(this.#tasks().filter((task) => this.#fits(task)));
  }

  /** The tags of all tasks, each once. */
  get tags() {
    return [...new Set(this.#tasks().flatMap(({ tags }) => tags))].sort();
  }

  /** The ids of the tasks that are shown as open. */
  get openTasks() {
    const open = this.#tasks().filter((task) => !isEndedGroup(groupOf(task)) && this.#fits(task));
    return open.map(({ id }) => id);
  }

  get filter() {
    return this.#filter;
  }

  set filter(/** @type {Filter} */ filter) {
    this.#filter = filter;
    this.#found.clear();
    this.arrange();
  }

  has(/** @type {string} */ task) {
    return this.#rows.has(task);
  }

  /** Follow all tasks with an API key. */
  follow(/** @type {string} */ key) {
    this.#board.followAll(key);
  }

  /** Add tasks that the relay has found for the filter, or take their newer state. */
  add(/** @type {Snapshot[]} */ tasks) {
    for (const task of tasks) {
      this.#found.add(task.id);
      this.#show(task);
    }
    this.arrange();
  }

  /** Add one task, or take its newer state. */
  put(/** @type {Snapshot} */ task) {
    this.#show(task);
    this.arrange();
  }

  remove(/** @type {string} */ task) {
    this.#rows.get(task)?.element.remove();
    this.#rows.delete(task);
    this.arrange();
  }

  /** Follow nothing any more, and show nothing. */
  clear() {
    this.#board.stop();
    this.#rows.clear();
    this.#found.clear();
    this.#list.replaceChildren();
    this.arrange();
  }

  /** Bring the rows into their order; one that stands right already is not touched, so that the focus stays in it. */
  arrange() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const rows = [...this.#rows.values()].sort((one, other) => byUrgency(one.task, other.task));
    const focused = document.activeElement;
    rows.forEach(({ element, task }, index) => {
      element.hidden = !this.#isShown(task);
      if (this.#list.children[index] !== element) this.#list.insertBefore(element, this.#list.children[index] ?? null);
    });
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.#changed();
  }

  #isShown(/** @type {Snapshot} */ task) {
    const { group } = this.#filter;
    return this.#fits(task) && (!group || groupOf(task) === group);
  }

  #fits(/** @type {Snapshot} */ task) {
    return this.#found.has(task.id) || fits(task, this.#filter);
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
    const isOlder = row.task.epoch === task.epoch && row.task.seq > task.seq;
    row.render(isOlder ? row.task : task, this.clock.now());
  }

  #arrangeSoon() {
    this.#frame ||= requestAnimationFrame(() => this.arrange());
  }

  #tick() {
    if (document.visibilityState === "hidden") return;
    for (const row of this.#rows.values()) row.tick(this.clock.now());
  }
}
