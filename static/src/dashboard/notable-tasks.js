// @ts-check
/** A list of links to tasks, each with one fact. What the tasks are about is added once it is known. */

import { titleOf } from "../board/task-title.js";
import { h, setText, textElement } from "../element/dom.js";

/** @import { ListedTask } from "./api.js" */

export class NotableTasks {
  element;

  /**
   * @param {string} heading
   * @param {{id: string, fact: string}[]} tasks
   */
  constructor(heading, tasks) {
    this.tasks = tasks.map(({ id, fact }) => new NotableTask(id, fact));
    const items = this.tasks.map(({ element }) => element);
    this.element = h("div", { class: "card" }, textElement("h3", heading), h("ol", { role: "list" }, ...items));
  }
}

export class NotableTask {
  #name;
  task;
  link;
  element;

  /**
   * @param {string} id
   * @param {string} fact
   */
  constructor(id, fact) {
    this.task = { id };
    this.#name = textElement("span", id);
    this.link = h("a", { href: `t/${encodeURIComponent(id)}` }, this.#name);
    this.element = h("li", {}, this.link, textElement("span", fact, "faint"));
  }

  /** Show what the task is about; without it, that it is deleted. */
  describe(/** @type {ListedTask|null} */ task) {
    if (task) setText(this.#name, titleOf(task));
    else this.link.replaceWith(textElement("span", `${this.task.id} (deleted)`, "deleted"));
  }
}
