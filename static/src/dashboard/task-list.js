// @ts-check
/** The task list of the dashboard: sorted by urgency, filtered, and updated live. */
import { RelayBoard } from "../client/relay-board.js";
import { ServerClock } from "../client/server-clock.js";
import { byUrgency, countGroups, groupOf, isEndedGroup, matchesFilter, NO_FILTER } from "./task-groups.js";
import { TaskRow } from "./task-row.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { Filter } from "./task-groups.js" */

/** Live changes are drawn this often at most: a reader cannot follow more, and each time the page is laid out. */
const DRAW_MS = 100;

export class TaskList {
  #list;
  #onOpen;
  #onChange;
  #board = new RelayBoard();
  #isFollowing = false;
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  #filter = NO_FILTER;
  /** @type {Set<string>} the tasks that the relay returned for the filter */
  #found = new Set();
  /** @type {Map<string, Snapshot>} live changes that are not drawn yet */
  #pending = new Map();
  #frame = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #drawnAt_ms = -Infinity;

  /** The relay's clock, by which all times are displayed. */
  clock = new ServerClock();

  /**
   * @param {HTMLElement} list
   * @param {object} handlers
   * @param {(task: string) => void} handlers.onOpen called when the reader opens a task
   * @param {() => void} handlers.onChange called after rows or the connection have changed
   * @param {() => void} handlers.onListed called when the relay has listed the current tasks, also after a reconnect
   */
  constructor(list, { onOpen, onChange, onListed }) {
    this.#list = list;
    this.#onOpen = onOpen;
    this.#onChange = onChange;
    this.#board.addEventListener("update", ({ detail: { state, message } }) => {
      this.clock.adjust(message);
      if (state) this.#pending.set(state.id, state);
      if (message?.type === "deleted") this.remove(message.task);
      if (message?.type === "listed") onListed();
      this.#arrangeSoon();
    });
    setInterval(() => this.#tick(), 1000);
  }

  get connection() {
    return this.#isFollowing ? this.#board.connection : "connecting";
  }

  get isEmpty() {
    return this.#rows.size === 0;
  }

  /** Whether the filter hides all rows. */
  get hidesAll() {
    return this.#rows.size > 0 && [...this.#rows.values()].every(({ element }) => element.hidden);
  }

  /** The number of tasks in each group, of those that match the rest of the filter. */
  get counts() {
    return countGroups(this.#tasks().filter((task) => this.#matches(task)));
  }

  /** The tags of all tasks. */
  get tags() {
    return [...new Set(this.#tasks().flatMap(({ tags }) => tags))].sort();
  }

  /** The ids of the open tasks that match the filter, ignoring its group. */
  get openTasks() {
    const open = this.#tasks().filter((task) => !isEndedGroup(groupOf(task)) && this.#matches(task));
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

  /** Return the group of a task; null if it is not listed. */
  groupOf(/** @type {string} */ task) {
    const row = this.#rows.get(task);
    return row ? groupOf(row.task) : null;
  }

  has(/** @type {string} */ task) {
    return this.#rows.has(task);
  }

  /** Follow all tasks with an API key. The relay sends those that are not listed, or have changed since. */
  follow(/** @type {string} */ key) {
    this.#isFollowing = true;
    this.#board.followAll(key, this.#tasks());
  }

  /** Add tasks that the relay returned for the filter, or update them. */
  add(/** @type {Snapshot[]} */ tasks) {
    this.#drawPending();
    for (const task of tasks) {
      this.#found.add(task.id);
      this.#update(task);
    }
    this.arrange();
  }

  /** Add a task, or update it. */
  put(/** @type {Snapshot} */ task) {
    this.#drawPending();
    this.#update(task);
    this.arrange();
  }

  remove(/** @type {string} */ task) {
    this.#pending.delete(task);
    this.#rows.get(task)?.element.remove();
    this.#rows.delete(task);
    this.arrange();
  }

  /** Stop following tasks and remove all rows. */
  clear() {
    this.#board.stop();
    this.#isFollowing = false;
    this.#pending.clear();
    this.#rows.clear();
    this.#found.clear();
    this.#list.replaceChildren();
    this.arrange();
  }

  /** Sort and filter the rows. Rows that are in place are not moved, so that the focus stays in them. */
  arrange() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#timer = undefined;
    this.#drawnAt_ms = performance.now();
    this.#drawPending();
    const rows = [...this.#rows.values()].sort((one, other) => byUrgency(one.task, other.task));
    const focused = document.activeElement;
    rows.forEach(({ element, task }, index) => {
      element.hidden = !this.#isShown(task);
      if (this.#list.children[index] !== element) this.#list.insertBefore(element, this.#list.children[index] ?? null);
    });
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.#onChange();
  }

  #isShown(/** @type {Snapshot} */ task) {
    const { group } = this.#filter;
    return this.#matches(task) && (!group || groupOf(task) === group);
  }

  #matches(/** @type {Snapshot} */ task) {
    return this.#found.has(task.id) || matchesFilter(task, this.#filter);
  }

  #tasks() {
    return [...this.#rows.values()].map(({ task }) => task);
  }

  #update(/** @type {Snapshot} */ task) {
    let row = this.#rows.get(task.id);
    if (!row) {
      row = new TaskRow(task);
      row.button.addEventListener("click", () => this.#onOpen(task.id));
      this.#rows.set(task.id, row);
    }
    const isOlder = row.task.epoch === task.epoch && row.task.seq > task.seq;
    row.render(isOlder ? row.task : task, this.clock.now());
  }

  #drawPending() {
    for (const task of this.#pending.values()) this.#update(task);
    this.#pending.clear();
  }

  #arrangeSoon() {
    this.#timer ??= setTimeout(
      () => {
        this.#frame = requestAnimationFrame(() => this.arrange());
      },
      Math.max(0, this.#drawnAt_ms + DRAW_MS - performance.now()),
    );
  }

  #tick() {
    if (document.visibilityState === "hidden") return;
    for (const row of this.#rows.values()) row.tick(this.clock.now());
  }
}
