// @ts-check
/** The tasks of the board: sorted by what needs attention, filtered, and updated live. */

import { byAttention, groupOf, isEndedGroup, matchesFilter, NO_FILTER } from "../board/task-groups.js";
import { TaskRow } from "../board/task-row.js";
import { kindOf, usualTimes } from "../board/task-times.js";
import { DEFAULT_BASE } from "../client/base.js";
import { BoardClient } from "../client/board-client.js";
import { ServerClock } from "../client/server-clock.js";
import { countTasks } from "./task-counts.js";

/** @import { Message, Output, Snapshot } from "../../relay.js" */
/** @import { ListedTask } from "./api.js" */
/** @import { Filter } from "../board/task-groups.js" */

/** Live changes are drawn this often at most: a reader cannot follow more, and each time the page is laid out. */
const DRAW_MS = 100;

/**
 * @typedef {object} Handlers
 * @property {() => void} onChange called after rows or the connection have changed
 * @property {() => void} onListed called when the relay has listed the current tasks, also after a reconnect
 * @property {(row: TaskRow, before: Snapshot|null) => void} onTask called when the group of a task has changed
 * @property {(row: TaskRow, output: Output) => void} onMedia called when a row can show a result
 */

export class TaskList {
  #list;
  #handlers;
  /** @type {BoardClient|null} */
  #client = null;
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  #filter = NO_FILTER;
  /** @type {Set<string>} the tasks that the relay returned for the filter */
  #found = new Set();
  /** @type {Map<string, Snapshot>} live changes that are not drawn yet */
  #pending = new Map();
  /** @type {Map<string, number>} by kind of task */
  #usual = new Map();
  /** @type {TaskRow[]} */
  #shown = [];
  #revision = 0;
  #frame = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #drawnAt_ms = -Infinity;

  /** The relay's clock, by which all times are displayed. */
  clock = new ServerClock();

  /**
   * @param {HTMLElement} list
   * @param {Handlers} handlers
   */
  constructor(list, handlers) {
    this.#list = list;
    this.#handlers = handlers;
    setInterval(() => this.#tick(), 1000);
  }

  get connection() {
    return this.#client?.subscription.state ?? "connecting";
  }

  get isEmpty() {
    return this.#rows.size === 0;
  }

  /** The rows that the filter shows, in their order. */
  get shown() {
    return this.#shown;
  }

  /** Increases whenever a task has joined, left or changed its group, or the filter has changed. */
  get revision() {
    return this.#revision;
  }

  /** The number of tasks in each group, of those that match the rest of the filter. */
  get counts() {
    return countTasks(this.matching);
  }

  /** The tasks that match the filter, ignoring its group. */
  get matching() {
    return this.#tasks().filter((task) => this.#matches(task));
  }

  /** The tags of all tasks. */
  get tags() {
    return [...new Set(this.#tasks().flatMap(({ tags }) => tags))].sort();
  }

  /** The ids of the open tasks that match the filter, ignoring its group. */
  get openTasks() {
    return this.matching.filter((task) => !isEndedGroup(groupOf(task))).map(({ id }) => id);
  }

  get filter() {
    return this.#filter;
  }

  set filter(/** @type {Filter} */ filter) {
    this.#filter = filter;
    this.#found.clear();
    this.#revision += 1;
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

  /** Return the row that an element is part of. */
  rowOf(/** @type {EventTarget|null} */ target) {
    const element = target instanceof Element ? target.closest("#list > li") : null;
    return this.#rows.get(/** @type {HTMLElement|null} */ (element)?.dataset.task ?? "") ?? null;
  }

  /** Follow all tasks with an API key. The relay sends those that are not listed, or have changed since. */
  follow(/** @type {string} */ key) {
    this.#client ??= new BoardClient({
      topic: { all: true },
      credentials: { token: key },
      base: DEFAULT_BASE,
      states: this.#tasks(),
      onUpdate: (state, message) => this.#received(state, message),
    });
  }

  /** Add tasks that the relay returned for the filter, or update them. */
  add(/** @type {ListedTask[]} */ tasks) {
    this.#drawPending();
    for (const task of tasks) {
      this.#found.add(task.id);
      this.#update(task);
    }
    this.arrange();
  }

  /** Add a task, or update it. Many that come one by one are sorted together. */
  put(/** @type {ListedTask} */ task) {
    this.#drawPending();
    this.#update(task);
    this.#arrangeSoon();
  }

  remove(/** @type {string} */ task) {
    this.#pending.delete(task);
    this.#rows.get(task)?.element.remove();
    this.#rows.delete(task);
    this.#revision += 1;
    this.#arrangeSoon();
  }

  /** Stop following tasks and remove all rows. */
  clear() {
    this.#client?.stop();
    this.#client = null;
    this.#pending.clear();
    this.#rows.clear();
    this.#found.clear();
    this.#list.replaceChildren();
    this.#revision += 1;
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
    const focused = document.activeElement;
    const rows = [...this.#rows.values()].sort((one, other) => byAttention(one.task, other.task));
    rows.forEach(({ element, task }, index) => {
      element.hidden = !this.#isShown(task);
      if (this.#list.children[index] !== element) this.#list.insertBefore(element, this.#list.children[index] ?? null);
    });
    this.#shown = rows.filter(({ element }) => !element.hidden);
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus({ preventScroll: true });
    this.#handlers.onChange();
  }

  /** Compare the times of all rows with those that are usual for their models. */
  compareTimes() {
    this.#usual = usualTimes(this.#tasks());
    for (const row of this.#rows.values()) row.compareWith(this.#usual.get(kindOf(row.task)) ?? null, this.clock.now());
  }

  /**
   * @param {Snapshot|null} state
   * @param {Message|null} message
   */
  #received(state, message) {
    this.clock.adjust(message);
    if (state) this.#pending.set(state.id, state);
    if (message?.type === "deleted") this.remove(message.task);
    if (message?.type === "listed") this.#handlers.onListed();
    this.#arrangeSoon();
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

  #update(/** @type {ListedTask} */ task) {
    const known = this.#rows.get(task.id);
    const row = known ?? this.#add(task);
    const before = known ? row.task : null;
    const isOlder = before !== null && before.epoch === task.epoch && before.seq > task.seq;
    row.render(isOlder ? { ...before, ...descriptionOf(task) } : task, this.clock.now());
    if (before !== null && groupOf(before) === groupOf(row.task)) return;
    this.#revision += 1;
    this.#handlers.onTask(row, before);
  }

  #add(/** @type {ListedTask} */ task) {
    const row = new TaskRow(task, (output) => this.#handlers.onMedia(row, output));
    row.compareWith(this.#usual.get(kindOf(task)) ?? null, this.clock.now());
    this.#rows.set(task.id, row);
    return row;
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
    this.#handlers.onChange();
  }
}

/** Return what a live message does not have. */
function descriptionOf(/** @type {ListedTask} */ { prompt }) {
  return prompt === undefined ? {} : { prompt };
}
