// @ts-check
/** The line above the rows: how many there are, which are selected, and what to do with them. */

import { groupOf, isEndedGroup } from "../board/task-groups.js";
import { Problem } from "../client/problem.js";
import { setText } from "../element/dom.js";
import { ConfirmedButton } from "./confirmed-button.js";
import { countText } from "./task-counts.js";

/** @import { Api, ListedTask } from "./api.js" */
/** @import { RowSelection } from "./row-selection.js" */
/** @import { RunAgain } from "./run-again.js" */
/** @import { TaskList } from "./task-list.js" */

/** How many requests are sent in parallel. */
const CONCURRENT_REQUESTS = 4;

export class BulkActions {
  #list;
  #selection;
  #api;
  #all;
  #total;
  #result;
  #stop;
  #again;

  /**
   * @param {object} options
   * @param {(id: string) => HTMLElement} options.part
   * @param {TaskList} options.list
   * @param {RowSelection} options.selection
   * @param {() => Api} options.api
   * @param {RunAgain} options.again
   */
  constructor({ part, list, selection, api, again }) {
    this.#list = list;
    this.#selection = selection;
    this.#api = api;
    this.#all = /** @type {HTMLInputElement} */ (part("select-all"));
    this.#total = part("listed");
    this.#result = part("bulk-result");
    this.#stop = new ConfirmedButton({ label: "Stop", confirm: "Yes, stop", keep: "Keep running" }, () =>
      this.#run("asked to stop", openOf(selection.tasks), async ({ id }) => {
        this.#list.put(await this.#api().cancel(id));
      }),
    );
    this.#again = new ConfirmedButton({ label: "Run again", confirm: "Yes, run again", keep: "Cancel" }, () =>
      this.#run("started again", selection.tasks, async ({ id }) => {
        this.#list.put((await again.run(id)).task);
      }),
    );
    part("bulk").replaceChildren(this.#stop.element, this.#again.element);
    this.#all.addEventListener("change", () => {
      selection.select(this.#all.checked ? list.shown.map(({ task }) => task.id) : []);
    });
  }

  /**
   * @param {number} total how many tasks match the filter, including those that are not loaded
   * @param {boolean} isLimited whether there may be more
   */
  render(total, isLimited) {
    const { tasks } = this.#selection;
    const shown = this.#list.shown.length;
    this.#all.checked = tasks.length > 0 && tasks.length === shown;
    this.#all.indeterminate = tasks.length > 0 && tasks.length < shown;
    const listed = shown < total ? `${shown} of ${countText(total, isLimited)} tasks` : tasksText(shown);
    setText(this.#total, tasks.length ? `${tasks.length} selected` : listed);
    const open = openOf(tasks).length;
    this.#stop.render(open ? `Stop ${tasksText(open)}?` : null);
    this.#again.render(tasks.length ? `Run ${tasksText(tasks.length)} again? Each run may cost money.` : null);
  }

  /**
   * Do the same with each task, and report the result.
   *
   * @param {string} done what has happened to the tasks, for the report
   * @param {ListedTask[]} tasks
   * @param {(task: ListedTask) => Promise<void>} act
   */
  async #run(done, tasks, act) {
    /** @type {string[]} */
    const failures = [];
    const waiting = [...tasks];
    const work = async () => {
      for (let task = waiting.shift(); task; task = waiting.shift()) {
        try {
          await act(task);
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          failures.push(error.detail || error.title);
        }
      }
    };
    setText(this.#result, "");
    await Promise.all(Array.from({ length: CONCURRENT_REQUESTS }, work));
    this.#selection.select([]);
    this.#all.focus();
    const succeeded = tasks.length - failures.length;
    const failed = failures.length ? ` Failed for ${tasksText(failures.length)}: ${reasons(failures)}` : "";
    setText(this.#result, `${tasksText(succeeded)} ${done}.${failed}`);
  }
}

function openOf(/** @type {ListedTask[]} */ tasks) {
  return tasks.filter((task) => !isEndedGroup(groupOf(task)));
}

function tasksText(/** @type {number} */ count) {
  return count === 1 ? "1 task" : `${count.toLocaleString()} tasks`;
}

/** Name each reason once. */
function reasons(/** @type {string[]} */ failures) {
  return [...new Set(failures)].join(" ");
}
