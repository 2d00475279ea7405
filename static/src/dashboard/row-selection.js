// @ts-check
/**
 * Selects rows with their checkboxes. With Shift, a click or a press of the space bar selects a range, and the arrow
 * keys extend the selection; without it, they move to the next row.
 */

/** @import { TaskList } from "./task-list.js" */
/** @import { TaskRow } from "../board/task-row.js" */

export class RowSelection {
  #list;
  #onChange;
  /** @type {Set<string>} */
  #selected = new Set();
  /** @type {string} where a range begins */
  #anchor = "";

  /**
   * @param {HTMLElement} element
   * @param {TaskList} list
   * @param {() => void} onChange
   */
  constructor(element, list, onChange) {
    this.#list = list;
    this.#onChange = onChange;
    element.addEventListener("click", (event) => {
      const row = this.#rowOfCheckbox(event.target);
      if (row) this.#clicked(row, event.shiftKey);
    });
    element.addEventListener("keydown", (event) => {
      const row = this.#rowOfCheckbox(event.target);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!row || !step) return;
      event.preventDefault();
      this.#step(row, step, event.shiftKey);
    });
  }

  /** The tasks that are selected, in their order. */
  get tasks() {
    return this.#list.shown.filter(({ task }) => this.#selected.has(task.id)).map(({ task }) => task);
  }

  /** Select these tasks only. */
  select(/** @type {string[]} */ tasks) {
    this.#selected = new Set(tasks);
    this.#show();
  }

  /** Forget the tasks that are not shown any more: an action must not include what the reader does not see. */
  prune() {
    if (!this.#selected.size) return;
    const shown = new Set(this.#list.shown.map(({ task }) => task.id));
    const kept = [...this.#selected].filter((id) => shown.has(id));
    if (kept.length < this.#selected.size) this.select(kept);
  }

  #rowOfCheckbox(/** @type {EventTarget|null} */ target) {
    const row = this.#list.rowOf(target);
    return row && target === row.checkbox ? row : null;
  }

  #clicked(/** @type {TaskRow} */ row, /** @type {boolean} */ isRange) {
    const { checked } = row.checkbox;
    const rows = this.#list.shown;
    const [from, to] = [rows.findIndex(({ task }) => task.id === this.#anchor), rows.indexOf(row)];
    const range = isRange && from >= 0 ? rows.slice(Math.min(from, to), Math.max(from, to) + 1) : [row];
    for (const { task } of range) this.#set(task.id, checked);
    this.#anchor = row.task.id;
    this.#show();
  }

  #step(/** @type {TaskRow} */ row, /** @type {number} */ step, /** @type {boolean} */ isExtending) {
    const rows = this.#list.shown;
    const next = rows[rows.indexOf(row) + step];
    if (!next) return;
    next.checkbox.focus();
    if (!isExtending) return;
    for (const { task } of [row, next]) this.#set(task.id, true);
    this.#anchor = next.task.id;
    this.#show();
  }

  #set(/** @type {string} */ task, /** @type {boolean} */ isSelected) {
    if (isSelected) this.#selected.add(task);
    else this.#selected.delete(task);
  }

  #show() {
    for (const { task, checkbox } of this.#list.shown) checkbox.checked = this.#selected.has(task.id);
    this.#onChange();
  }
}
