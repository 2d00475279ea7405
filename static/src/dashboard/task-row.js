// @ts-check
/** A task as a row of the dashboard: its state, progress and time, and why it does not advance. */
import { BarLevel, displayedProgress } from "../element/displayed-progress.js";
import { h, setText, textElement } from "../element/dom.js";
import { ago, duration, percentText, STATE_LABELS, shortStatus } from "../element/format.js";
import { silence_s, stallOf } from "../element/stall.js";

/** @import { Snapshot } from "../../relay.js" */

export class TaskRow {
  #status = textElement("span", "", "status");
  #facts = textElement("span", "", "faint");
  #reason = textElement("span", "", "reason");
  #fill = h("span");
  #meter;
  #level = new BarLevel();

  /** @param {Snapshot} task */
  constructor(task) {
    this.task = task;
    const cut = task.model.indexOf("/") + 1;
    const meter = { role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" };
    this.#meter = h("span", { class: "meter", ...meter }, this.#fill);
    const owner = textElement("span", task.model.slice(0, cut), "owner");
    this.button = h(
      "button",
      { type: "button" },
      h("span", { class: "model" }, owner, task.model.slice(cut)),
      this.#status,
      this.#facts,
      this.#reason,
      this.#meter,
    );
    this.element = h("li", {}, this.button);
  }

  /**
   * @param {Snapshot} task
   * @param {number} now
   */
  render(task, now) {
    this.task = task;
    this.element.dataset.state = task.state;
    this.element.toggleAttribute("data-stuck", stallOf(task) !== null);
    setText(this.#status, shortStatus(task));
    const displayed = displayedProgress(task);
    const percent = this.#level.update(displayed);
    this.#meter.hidden = task.done !== null;
    this.#meter.toggleAttribute("data-unknown", percent === null);
    if (percent === null) this.#meter.removeAttribute("aria-valuenow");
    else this.#meter.setAttribute("aria-valuenow", String(Math.floor(percent)));
    const description = [percent === null ? STATE_LABELS[task.state] : percentText(percent), displayed.title];
    this.#meter.setAttribute("aria-valuetext", description.filter(Boolean).join(", "));
    this.#fill.style.setProperty("--relay-percent", `${percent ?? 0}%`);
    this.tick(now);
  }

  /** Update what depends on the time. */
  tick(/** @type {number} */ now) {
    const { created_at, ended_at, tags } = this.task;
    const elapsed = duration((ended_at ?? now) - created_at);
    const time = ended_at === null ? elapsed : `took ${elapsed} · ended ${ago(now - ended_at)}`;
    const { title } = displayedProgress(this.task);
    setText(this.#facts, [title, time, ...tags.map((tag) => `#${tag}`)].filter(Boolean).join(" · "));
    const reason = waitReason(this.task, now);
    setText(this.#reason, reason);
    this.#reason.hidden = !reason;
  }
}

/**
 * Return why a task does not advance; empty if it does.
 *
 * @param {Snapshot} task
 * @param {number} now
 */
function waitReason(task, now) {
  const kind = stallOf(task);
  if (kind) return `${kind === "quiet" ? "No updates for" : "Stuck for"} ${duration(silence_s(task, now))}`;
  return task.hold?.position ? `Position ${task.hold.position} in the queue` : "";
}
