// @ts-check
/** One task as a row of the board: its state, its bar, its time, and in a word why it does not move. */

import { BarLevel, drawnProgress } from "../element/displayed-progress.js";
import { h, setText, textElement } from "../element/dom.js";
import { ago, duration, percentText, STATE_WORDS, shortStatus } from "../element/format.js";
import { silenceOf, silentFor_s } from "../element/silence.js";

/** @typedef {import("../client/types.js").Snapshot} Snapshot */

export class TaskRow {
  #status = textElement("span", "", "status");
  #facts = textElement("span", "", "faint");
  #why = textElement("span", "", "why");
  #fill = h("span");
  #meter;
  #level = new BarLevel();

  /** @param {Snapshot} task */
  constructor(task) {
    this.task = task;
    const cut = task.model.indexOf("/") + 1;
    this.#meter = h(
      "span",
      { class: "meter", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" },
      this.#fill,
    );
    this.button = h(
      "button",
      { type: "button" },
      h("span", { class: "model" }, textElement("span", task.model.slice(0, cut), "owner"), task.model.slice(cut)),
      this.#status,
      this.#facts,
      this.#why,
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
    this.element.toggleAttribute("data-stuck", silenceOf(task) !== null);
    setText(this.#status, shortStatus(task));
    const drawn = drawnProgress(task);
    const percent = this.#level.take(drawn);
    this.#meter.hidden = task.done !== null;
    this.#meter.toggleAttribute("data-unknown", percent === null);
    if (percent === null) this.#meter.removeAttribute("aria-valuenow");
    else this.#meter.setAttribute("aria-valuenow", String(Math.floor(percent)));
    const words = [percent === null ? STATE_WORDS[task.state] : percentText(percent), drawn.title];
    this.#meter.setAttribute("aria-valuetext", words.filter(Boolean).join(", "));
    this.#fill.style.setProperty("--relay-percent", `${percent ?? 0}%`);
    this.tick(now);
  }

  /** What changes with time alone. */
  tick(/** @type {number} */ now) {
    const { created_at, ended_at, tags } = this.task;
    const took = duration((ended_at ?? now) - created_at);
    const time = ended_at === null ? took : `took ${took} · ended ${ago(now - ended_at)}`;
    const { title } = drawnProgress(this.task);
    setText(this.#facts, [title, time, ...tags.map((tag) => `#${tag}`)].filter(Boolean).join(" · "));
    const why = whyOf(this.task, now);
    setText(this.#why, why);
    this.#why.hidden = !why;
  }
}

/**
 * Return in a few words why a task does not move; empty where it does.
 *
 * @param {Snapshot} task
 * @param {number} now
 */
function whyOf(task, now) {
  const silence = silenceOf(task);
  if (silence) return `${silence === "quiet" ? "No news for" : "Stuck for"} ${duration(silentFor_s(task, now))}`;
  return task.hold?.position ? `Number ${task.hold.position} in line` : "";
}
