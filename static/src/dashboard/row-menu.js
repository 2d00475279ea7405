// @ts-check
/** What a reader can do with one task of the board. One menu is shared by all rows. */

import { h } from "../element/dom.js";
import { costText } from "../element/format.js";
import { ConfirmedButton } from "./confirmed-button.js";

/** @import { TaskList } from "./task-list.js" */
/** @import { TaskRow } from "../board/task-row.js" */

/** @typedef {(row: TaskRow) => Promise<void>} Action */

export class RowMenu {
  #element;
  #edit = h("button", { type: "button" }, "Edit and run");
  #again;
  #stop;
  /** @type {TaskRow|null} */
  #row = null;

  /**
   * @param {HTMLElement} place what the menu is placed in; the rows are in it
   * @param {TaskList} list
   * @param {{edit: Action, again: Action, stop: Action}} actions
   */
  constructor(place, list, { edit, again, stop }) {
    this.#edit.addEventListener("click", () => this.#act(edit));
    this.#again = new ConfirmedButton({ label: "Run again", confirm: "Yes, run it again", keep: "Cancel" }, () =>
      this.#act(again),
    );
    this.#stop = new ConfirmedButton({ label: "Stop", confirm: "Yes, stop it", keep: "Keep running" }, () =>
      this.#act(stop),
    );
    this.#element = h(
      "div",
      { class: "row-menu card", role: "group", hidden: true },
      this.#edit,
      this.#again.element,
      this.#stop.element,
    );
    place.append(this.#element);
    place.addEventListener("click", ({ target }) => {
      const row = list.rowOf(target);
      if (row && target === row.menu) this.#toggle(row);
    });
    this.#element.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.close();
    });
    this.#element.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !this.#element.contains(relatedTarget)) this.#hide();
    });
    document.addEventListener("pointerdown", ({ target }) => {
      const isInside = target instanceof Node && (this.#element.contains(target) || this.#row?.menu.contains(target));
      if (!isInside) this.#hide();
    });
  }

  /** Close the menu and return the focus to its row. */
  close() {
    const row = this.#row;
    this.#hide();
    row?.menu.focus();
  }

  #toggle(/** @type {TaskRow} */ row) {
    const isOpen = this.#row === row;
    this.#hide();
    if (isOpen) return;
    this.#row = row;
    const { done } = row.task;
    this.#again.render(done === null ? "It has not ended yet." : `Last time: ${costText(done)}.`);
    this.#stop.render(done === null ? "" : null);
    row.menu.setAttribute("aria-expanded", "true");
    this.#element.setAttribute("aria-label", row.menu.getAttribute("aria-label") ?? "");
    const { offsetParent } = this.#element.hidden ? row.element : this.#element;
    const origin = (offsetParent ?? document.body).getBoundingClientRect();
    this.#element.style.top = `${row.menu.getBoundingClientRect().bottom - origin.top}px`;
    this.#element.hidden = false;
    this.#edit.focus();
  }

  #hide() {
    this.#row?.menu.setAttribute("aria-expanded", "false");
    this.#row = null;
    this.#element.hidden = true;
  }

  async #act(/** @type {Action} */ action) {
    const row = this.#row;
    if (!row) return;
    await action(row);
    if (this.#row === row) this.close();
  }
}
