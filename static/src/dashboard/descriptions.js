// @ts-check
/** Reads what live messages do not have: the prompts of tasks that were started while the dashboard is open. */
import { NO_FILTER } from "../board/task-groups.js";
import { listQuery } from "./task-query.js";

/** @import { ListedTask } from "./api.js" */
/** @import { TaskList } from "./task-list.js" */

/** Tasks that are started within this time are read together. */
const INTERVAL_MS = 1000;
/** As many as the relay lists at once. */
const LIMIT = 200;

export class Descriptions {
  #list;
  #read;
  #oldest = Infinity;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /**
   * @param {TaskList} list
   * @param {(query: URLSearchParams) => Promise<void>} read reads a page and passes it to `show`
   */
  constructor(list, read) {
    this.#list = list;
    this.#read = read;
  }

  /** Read the prompt of a task soon. */
  add(/** @type {ListedTask} */ { created_at }) {
    this.#oldest = Math.min(this.#oldest, created_at);
    this.#timer ??= setTimeout(() => {
      const query = listQuery({ ...NO_FILTER, since: this.#oldest }, [], LIMIT);
      this.reset();
      this.#read(query);
    }, INTERVAL_MS);
  }

  /** Add the prompts to their rows. Tasks that are not on the board stay away. */
  show(/** @type {ListedTask[]} */ tasks) {
    for (const task of tasks) if (this.#list.has(task.id)) this.#list.put(task);
  }

  reset() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#oldest = Infinity;
  }
}
