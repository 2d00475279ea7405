// @ts-check
/**
 * Loads the tasks that the dashboard lists: first all that have not ended, then those that have, newest first, page by
 * page.
 *
 * Changes arrive live. After a loss of connection the relay lists only some tasks again, so `refresh` checks all that
 * are listed for changes.
 */
import { isEndedGroup, NO_FILTER } from "../board/task-groups.js";
import { endedStates, listQuery, OPEN_STATES } from "./task-query.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { ListedTask } from "./api.js" */
/** @import { Filter, Group } from "../board/task-groups.js" */
/** @import { TaskList } from "./task-list.js" */
/** @typedef {{tasks: ListedTask[], next: string|null}} Page */

/** The page size for open tasks. There are few, and all are needed, so the pages are as large as the relay allows. */
const OPEN_LIMIT = 200;
/** How many open tasks are loaded at once; the rest is loaded on request. */
const OPEN_MAXIMUM = 2000;
const ENDED_LIMIT = 25;
/** How many tasks are requested in parallel. */
const CONCURRENT_REQUESTS = 6;

/** How far a list has been read. */
class Progress {
  /** @type {string|null} */
  next = null;
  isComplete = false;

  get isUnread() {
    return this.next === null && !this.isComplete;
  }

  advance(/** @type {Page} */ page) {
    this.next = page.next;
    this.isComplete = page.next === null;
  }
}

export class TaskLoader {
  #list;
  #read;
  #view;
  /** @type {Filter} */
  #filter = NO_FILTER;
  #open = new Progress();
  /** @type {Map<string, Progress>} by the states that were requested */
  #ended = new Map();
  /** Increases whenever the list is read from its start. Responses to earlier requests are ignored. */
  #generation = 0;

  /**
   * @param {object} options
   * @param {(query: URLSearchParams) => Promise<Page>} options.list
   * @param {(task: string) => Promise<Snapshot|null>} options.read returns null for a deleted task
   * @param {TaskList} options.view
   */
  constructor({ list, read, view }) {
    this.#list = list;
    this.#read = read;
    this.#view = view;
  }

  /** Whether there are tasks for this filter that are not loaded. */
  get hasMore() {
    const { group } = this.#filter;
    if (this.#open.isUnread) return false;
    return !this.#open.isComplete || ((!group || isEndedGroup(group)) && !this.#progress(group).isComplete);
  }

  /** Whether all open tasks are loaded. */
  get hasAllOpen() {
    return this.#open.isComplete;
  }

  /** Whether all tasks that match the filter are loaded, ignoring its group. */
  get hasAll() {
    return this.#open.isComplete && this.#progress("").isComplete;
  }

  reset() {
    this.#generation += 1;
    this.#filter = NO_FILTER;
    this.#open = new Progress();
    this.#ended.clear();
  }

  /** Load the tasks for a filter, unless they are loaded already. */
  async load(/** @type {Filter} */ filter) {
    const { tag, text, since } = this.#filter;
    if (this.#open.isUnread || tag !== filter.tag || text !== filter.text || since !== filter.since) {
      this.reset();
      this.#filter = filter;
      await this.#readFromStart();
    } else {
      this.#filter = filter;
      const progress = this.#progress(filter.group);
      if (progress.isUnread && !this.#progress("").isComplete) await this.#readEnded(progress);
    }
  }

  /** Load the next page, and further ones until one has a new task. */
  async more() {
    if (!this.#open.isComplete) return void (await this.#readOpen(this.#open));
    const progress = this.#progress(this.#filter.group);
    while (!progress.isComplete && !(await this.#readEnded(progress)));
  }

  /** Check for changes that were not reported live. */
  async refresh() {
    const before = this.#view.openTasks;
    const listed = await this.#readFromStart();
    const generation = this.#generation;
    const unlisted = listed ? before.filter((id) => !listed.has(id)) : [];
    while (unlisted.length && generation === this.#generation) {
      await Promise.all(unlisted.splice(0, CONCURRENT_REQUESTS).map((id) => this.#readTask(id)));
    }
  }

  /** @returns {Promise<Set<string>|null>} the ids of all open tasks; null if not all were read */
  async #readFromStart() {
    this.#generation += 1;
    const generation = this.#generation;
    const [open, ended] = [new Progress(), new Progress()];
    const listed = await this.#readOpen(open);
    if (generation !== this.#generation) return null;
    this.#open = open;
    await this.#readEnded(ended);
    if (generation !== this.#generation) return null;
    this.#ended = new Map([[endedStates(this.#filter.group).join(), ended]]);
    this.#view.arrange();
    return open.isComplete ? listed : null;
  }

  /** @returns {Promise<Set<string>>} the ids that were read */
  async #readOpen(/** @type {Progress} */ progress) {
    const generation = this.#generation;
    /** @type {Set<string>} */
    const ids = new Set();
    while (!progress.isComplete && ids.size < OPEN_MAXIMUM) {
      const page = await this.#list(listQuery(this.#filter, OPEN_STATES, OPEN_LIMIT, progress.next));
      if (generation !== this.#generation) break;
      progress.advance(page);
      for (const { id } of page.tasks) ids.add(id);
      this.#view.add(page.tasks);
    }
    return ids;
  }

  /** @returns {Promise<boolean>} whether the page had a task that was not listed yet */
  async #readEnded(/** @type {Progress} */ progress) {
    const generation = this.#generation;
    const states = endedStates(this.#filter.group);
    const page = await this.#list(listQuery(this.#filter, states, ENDED_LIMIT, progress.next));
    if (generation !== this.#generation) return true;
    progress.advance(page);
    const hasNew = page.tasks.some(({ id }) => !this.#view.has(id));
    this.#view.add(page.tasks);
    return hasNew;
  }

  async #readTask(/** @type {string} */ id) {
    const task = await this.#read(id);
    if (task) this.#view.put(task);
    else this.#view.remove(id);
  }

  #progress(/** @type {Group|""} */ group) {
    const key = endedStates(group).join();
    const progress = this.#ended.get(key) ?? new Progress();
    this.#ended.set(key, progress);
    return progress;
  }
}
