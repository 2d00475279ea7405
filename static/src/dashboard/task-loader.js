// @ts-check
/**
 * Loads the tasks that a board shows: first all that have not ended, then page by page the newest of those that have.
 *
 * Whatever happens meanwhile is told live. After a loss of connection the relay lists only some of the tasks again, so
 * `refresh` looks for what has changed among all that are shown.
 *
 * @typedef {import("../client/types.js").Snapshot} Snapshot
 * @typedef {import("../client/types.js").State} State
 * @typedef {import("./task-groups.js").Filter} Filter
 * @typedef {import("./task-groups.js").Group} Group
 * @typedef {{tasks: Snapshot[], next: string|null}} Page
 */
import { isEndedGroup, NO_FILTER } from "./task-groups.js";
import { endedStates, OPEN_STATES, queryOf } from "./task-query.js";

/** Open tasks are few against those that have ended: all of them are wanted, in the largest pages that there are. */
const OPEN_LIMIT = 200;
/** So many open tasks are loaded at once; the rest on request. */
const OPEN_MOST = 2000;
const ENDED_LIMIT = 25;
/** So many tasks are read one by one at the same time. */
const READ_AT_ONCE = 6;

/** How far a list has been read. */
class Reading {
  /** @type {string|null} */
  next = null;
  isComplete = false;

  /** Whether nothing of it has been read. */
  get isUnread() {
    return this.next === null && !this.isComplete;
  }

  take(/** @type {Page} */ page) {
    this.next = page.next;
    this.isComplete = page.next === null;
  }
}

export class BoardLoader {
  #list;
  #read;
  #shown;
  /** @type {Filter} */
  #filter = NO_FILTER;
  #open = new Reading();
  /** @type {Map<string, Reading>} by the states that were asked for */
  #ended = new Map();
  /** Counts the times that the list was begun anew: what was asked for before is not taken any more. */
  #turn = 0;

  /**
   * @param {object} parts
   * @param {(query: URLSearchParams) => Promise<Page>} parts.list
   * @param {(task: string) => Promise<Snapshot|null>} parts.read null for a task that is gone
   * @param {import("./task-list.js").TaskList} parts.shown
   */
  constructor({ list, read, shown }) {
    this.#list = list;
    this.#read = read;
    this.#shown = shown;
  }

  /** Whether there are tasks for this filter that are not loaded. */
  get hasMore() {
    const { group } = this.#filter;
    if (this.#open.isUnread) return false;
    return !this.#open.isComplete || ((!group || isEndedGroup(group)) && !this.#reading(group).isComplete);
  }

  /** @returns {import("./task-groups.js").Known} */
  get known() {
    const open = this.#open.isComplete;
    const ended = this.#reading("").isComplete;
    return { open, group: (group) => (isEndedGroup(group) ? ended || this.#reading(group).isComplete : open) };
  }

  /** Forget what was loaded. */
  reset() {
    this.#turn += 1;
    this.#filter = NO_FILTER;
    this.#open = new Reading();
    this.#ended.clear();
  }

  /** Load what a filter shows, as far as it is not loaded. */
  async load(/** @type {Filter} */ filter) {
    const { tag, text, since } = this.#filter;
    if (this.#open.isUnread || tag !== filter.tag || text !== filter.text || since !== filter.since) {
      this.reset();
      this.#filter = filter;
      await this.#readAnew();
    } else {
      this.#filter = filter;
      const reading = this.#reading(filter.group);
      if (reading.isUnread && !this.#reading("").isComplete) await this.#readEnded(reading);
    }
  }

  /** Load the next page. One that brings nothing new is no answer to who asks for more. */
  async more() {
    if (!this.#open.isComplete) return void (await this.#readOpen(this.#open));
    const reading = this.#reading(this.#filter.group);
    while (!reading.isComplete && !(await this.#readEnded(reading)));
  }

  /** Find out what has changed without being told. */
  async refresh() {
    const before = this.#shown.openTasks;
    const listed = await this.#readAnew();
    const turn = this.#turn;
    const left = listed ? before.filter((id) => !listed.has(id)) : [];
    while (left.length && turn === this.#turn) {
      await Promise.all(left.splice(0, READ_AT_ONCE).map((id) => this.#renew(id)));
    }
  }

  /**
   * Read the list from its beginning.
   *
   * @returns {Promise<Set<string>|null>} the open tasks that it has, or null where these are not all
   */
  async #readAnew() {
    this.#turn += 1;
    const turn = this.#turn;
    const [open, ended] = [new Reading(), new Reading()];
    const listed = await this.#readOpen(open);
    if (turn !== this.#turn) return null;
    this.#open = open;
    await this.#readEnded(ended);
    if (turn !== this.#turn) return null;
    this.#ended = new Map([[endedStates(this.#filter.group).join(), ended]]);
    this.#shown.arrange();
    return open.isComplete ? listed : null;
  }

  /** @returns {Promise<Set<string>>} the ids that were read */
  async #readOpen(/** @type {Reading} */ reading) {
    const turn = this.#turn;
    /** @type {Set<string>} */
    const ids = new Set();
    while (!reading.isComplete && ids.size < OPEN_MOST) {
      const page = await this.#list(queryOf(this.#filter, OPEN_STATES, OPEN_LIMIT, reading.next));
      if (turn !== this.#turn) break;
      reading.take(page);
      for (const { id } of page.tasks) ids.add(id);
      this.#shown.add(page.tasks);
    }
    return ids;
  }

  /** @returns {Promise<boolean>} whether the page had a task that was not shown */
  async #readEnded(/** @type {Reading} */ reading) {
    const turn = this.#turn;
    const states = endedStates(this.#filter.group);
    const page = await this.#list(queryOf(this.#filter, states, ENDED_LIMIT, reading.next));
    if (turn !== this.#turn) return true;
    reading.take(page);
    const isNews = page.tasks.some(({ id }) => !this.#shown.has(id));
    this.#shown.add(page.tasks);
    return isNews;
  }

  async #renew(/** @type {string} */ id) {
    const task = await this.#read(id);
    if (task) this.#shown.put(task);
    else this.#shown.remove(id);
  }

  #reading(/** @type {Group|""} */ group) {
    const key = endedStates(group).join();
    const reading = this.#ended.get(key) ?? new Reading();
    this.#ended.set(key, reading);
    return reading;
  }
}
