// @ts-check
/** A button that asks for a signal when all of the tasks that are shown or selected at that moment have ended. */

import { groupOf, isEndedGroup } from "../board/task-groups.js";
import { setText } from "../element/dom.js";
import { NotifyToggle } from "../element/notify-toggle.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { Group } from "../board/task-groups.js" */

export class BoardNotice {
  #button;
  #toggle;
  #tasks;
  #groupOf;
  /** @type {string[]} the tasks that the reader waits for */
  #awaited = [];

  /**
   * @param {HTMLButtonElement} button
   * @param {object} list
   * @param {() => Snapshot[]} list.tasks the tasks that are selected, or else those that are shown
   * @param {(task: string) => Group|null} list.groupOf null for a task that was deleted
   * @param {(text: string) => void} list.say shows what the browser does not allow
   */
  constructor(button, { tasks, groupOf, say }) {
    this.#button = button;
    this.#tasks = tasks;
    this.#groupOf = groupOf;
    this.#toggle = new NotifyToggle(button, say);
    button.addEventListener("click", () => {
      this.#awaited = this.#toggle.isOn ? this.#open() : [];
      this.render();
    });
  }

  /** Update the button, and signal the end of the last task. Call this after each change of the list. */
  render() {
    const groups = this.#awaited.map((task) => this.#groupOf(task));
    const open = groups.filter((group) => group !== null && !isEndedGroup(group)).length;
    if (this.#toggle.isOn && open === 0) this.#finish(groups);
    const count = this.#toggle.isOn ? open : this.#open().length;
    this.#button.hidden = count === 0;
    const label = count === 1 ? "Notify me when done" : `Notify me when all ${count} are done`;
    setText(this.#button, this.#toggle.isOn ? `Waiting for ${count}` : label);
  }

  #open() {
    return this.#tasks()
      .filter((task) => !isEndedGroup(groupOf(task)))
      .map(({ id }) => id);
  }

  #finish(/** @type {(Group|null)[]} */ groups) {
    const succeeded = groups.filter((group) => group === "succeeded").length;
    const total = groups.length;
    const title = total === 1 ? "The task has ended" : `All ${total} tasks have ended`;
    const text = succeeded === total ? "All succeeded." : `${succeeded} succeeded, ${total - succeeded} did not.`;
    this.#awaited = [];
    this.#toggle.send({ title, text, tag: "relay-board", isGood: succeeded === total });
  }
}
