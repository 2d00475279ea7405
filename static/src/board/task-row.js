// @ts-check
/** A task as a row of the board: what was asked, what came, how long it took, what it cost, and its state. */
import { BarLevel, displayedProgress } from "../element/displayed-progress.js";
import { h, setText, textElement } from "../element/dom.js";
import { ago, costText, dateAndTime, duration, percentText, STATE_LABELS } from "../element/format.js";
import { silence_s } from "../element/stall.js";
import { GROUP_LABELS, groupOf } from "./task-groups.js";
import { TaskTile } from "./task-tile.js";
import { expectedTotal_s, remainingText, timesOf } from "./task-times.js";
import { lastLine, modelName, titleOf } from "./task-title.js";
import { TimeBar } from "./time-bar.js";

/** @import { Output } from "../../relay.js" */
/** @import { ListedTask } from "../dashboard/api.js" */

/** Older times are shown with their date. */
const RECENT_S = 172_800;

export class TaskRow {
  #title = textElement("span", "", "words");
  #about = textElement("span", "", "about");
  #error = textElement("span", "", "error");
  #bar = new TimeBar();
  #took = textElement("span", "", "took faint");
  #cost = textElement("span", "", "cost");
  #status = textElement("strong", "", "status");
  #when = h("time", { class: "when" });
  #level = new BarLevel();
  #onMedia;
  /** @type {number|null} */
  #usual_s = null;
  tile = new TaskTile();
  link = h("a");
  opener = h("button", { type: "button", class: "opener" });
  checkbox = h("input", { type: "checkbox" });
  menu = h("button", { type: "button", class: "menu", "aria-expanded": "false" }, "⋯");

  /**
   * @param {ListedTask} task
   * @param {(output: Output) => void} onMedia called with a result that the tile can show
   * @param {{isManaged?: boolean}} [options] without management, a button opens the task, and it cannot be selected
   */
  constructor(task, onMedia, { isManaged = true } = {}) {
    this.task = task;
    this.#onMedia = onMedia;
    this.link.href = `t/${encodeURIComponent(task.id)}`;
    const name = isManaged ? this.link : this.opener;
    name.append(this.#title);
    this.element = h(
      "li",
      { "data-task": task.id },
      ...(isManaged ? [h("label", { class: "pick" }, this.checkbox)] : []),
      this.tile.element,
      h("div", { class: "what" }, name, h("p", { class: "faint" }, this.#about, this.#error)),
      h("div", { class: "time" }, this.#bar.element, this.#took),
      this.#cost,
      h("div", { class: "state" }, this.#status, this.#when),
      ...(isManaged ? [this.menu] : []),
    );
  }

  /**
   * @param {ListedTask} task
   * @param {number} now
   */
  render(task, now) {
    this.task = { ...task, prompt: task.prompt ?? this.task.prompt }; // live messages have no prompt
    const group = groupOf(task);
    this.element.dataset.state = task.state;
    this.element.dataset.group = group;
    const words = titleOf(this.task);
    setText(this.#title, words);
    setLabel(this.checkbox, `Select ${words}`);
    setLabel(this.menu, `Actions for ${words}`);
    const model = words === task.model ? "" : modelName(task.model);
    setText(this.#about, [model, task.provider, ...task.tags.map((tag) => `#${tag}`)].filter(Boolean).join(" · "));
    const error = lastLine(task.done);
    setText(this.#error, error && ` · ${error}`);
    setText(this.#cost, task.done && (task.done.cost || task.done.billed === false) ? costText(task.done) : "");
    setText(this.#status, group === "stuck" || group === "quiet" ? GROUP_LABELS[group] : STATE_LABELS[task.state]);
    const media = this.tile.render(this.task, this.#level.update(displayedProgress(task)));
    if (media) this.#onMedia(media);
    this.tick(now);
  }

  /**
   * Compare the time with what is usual for the model.
   *
   * @param {number|null} usual_s null if that is not known
   * @param {number} now
   */
  compareWith(usual_s, now) {
    if (this.#usual_s === usual_s) return;
    this.#usual_s = usual_s;
    this.tick(now);
  }

  /** Update what depends on the time. */
  tick(/** @type {number} */ now) {
    const times = timesOf(this.task, now);
    this.#bar.render(times, expectedTotal_s(this.task) ?? this.#usual_s);
    const percent = this.#level.update(displayedProgress(this.task));
    const elapsed = duration(times.total);
    setText(this.#took, this.task.done || percent === null ? elapsed : `${percentText(percent)} · ${elapsed}`);
    this.#tickWhen(now);
  }

  #tickWhen(/** @type {number} */ now) {
    const { created_at, ended_at, hold } = this.task;
    const at = ended_at ?? created_at;
    const group = groupOf(this.task);
    if (group === "stuck" || group === "quiet") setText(this.#when, `for ${duration(silence_s(this.task, now))}`);
    else if (hold?.position) setText(this.#when, `position ${hold.position}`);
    else setText(this.#when, remainingText(this.task, now) || (now - at > RECENT_S ? dateAndTime(at) : ago(now - at)));
    const dateTime = new Date(at * 1000).toISOString();
    if (this.#when.dateTime === dateTime) return;
    this.#when.dateTime = dateTime;
    this.#when.title = dateAndTime(at);
  }
}

function setLabel(/** @type {Element} */ element, /** @type {string} */ label) {
  if (element.getAttribute("aria-label") !== label) element.setAttribute("aria-label", label);
}
