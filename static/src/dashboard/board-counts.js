// @ts-check
/** Reads how many tasks the relay has in each state: of those that match the filter, and of those of today. */
import { listQuery } from "./task-query.js";

/** @import { Counts } from "./task-counts.js" */
/** @import { Filter } from "../board/task-groups.js" */

/** The minimum time between two reads: counting many tasks takes the relay some time. */
const INTERVAL_MS = 2000;

export class BoardCounts {
  #read;
  #now;
  #onChange;
  #generation = 0;
  #readAt_ms = -Infinity;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @type {Counts|null} of the tasks that match the filter, ignoring its group; null if they are not known yet */
  matching = null;
  /** @type {Counts|null} of those among them that were started today */
  today = null;

  /**
   * @param {object} options
   * @param {(query: URLSearchParams) => Promise<Counts>} options.read
   * @param {() => number} options.now the relay's clock
   * @param {() => void} options.onChange
   */
  constructor({ read, now, onChange }) {
    this.#read = read;
    this.#now = now;
    this.#onChange = onChange;
  }

  /** Forget the counts, because the filter or the reader is another one. */
  reset() {
    this.#start();
    this.matching = null;
    this.today = null;
  }

  /** Count the tasks that match the filter. */
  async load(/** @type {Filter} */ filter) {
    const generation = this.#start();
    const since = Math.max(startOfDay(this.#now()), filter.since ?? 0);
    const isShort = filter.since !== null && since === filter.since;
    const [matching, today] = await Promise.all([
      this.#read(listQuery(filter, [])),
      isShort ? null : this.#read(listQuery({ ...filter, since }, [])),
    ]);
    if (generation !== this.#generation) return;
    this.matching = matching;
    this.today = today ?? matching;
    this.#onChange();
  }

  /** Begin a read. Responses to earlier ones are ignored. */
  #start() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#readAt_ms = performance.now();
    this.#generation += 1;
    return this.#generation;
  }

  /** Count again soon, because a task has ended or is new. */
  loadSoon(/** @type {() => Promise<void>} */ load) {
    this.#timer ??= setTimeout(load, Math.max(0, this.#readAt_ms + INTERVAL_MS - performance.now()));
  }
}

/** Return when the day began in the reader's time zone, in unix seconds. */
export function startOfDay(/** @type {number} */ now) {
  return new Date(now * 1000).setHours(0, 0, 0, 0) / 1000;
}
