// @ts-check
/** One task as a row of the board: its state, its bar, its time, and in a word why it does not move. */
import { h, setText, textElement } from "./dom.js";
import { ago, duration, shortStatus, STATE_WORDS } from "./format.js";

/** @typedef {import("./types.js").Snapshot} Snapshot */

export class TaskRow {
  #status = textElement("span", "", "status");
  #facts = textElement("span", "", "faint");
  #why = textElement("span", "", "why");
  #fill = h("span");
  #meter;
  #percent = 0;

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
    const { state, progress, done, stall, hold } = task;
    this.element.dataset.state = state;
    this.element.toggleAttribute("data-stuck", stall !== null);
    setText(this.#status, shortStatus(task));
    setText(this.#why, stall ? `No news for ${duration(stall.silent_s)}` : hold?.position ? `Number ${hold.position} in line` : "");
    this.#why.hidden = !stall && !hold?.position;
    const percent = progress?.percent ?? null;
    this.#meter.hidden = done !== null;
    if (percent !== null) this.#percent = Math.max(this.#percent, Math.min(100, percent));
    this.#meter.toggleAttribute("data-unknown", percent === null);
    if (percent !== null) this.#meter.setAttribute("aria-valuenow", String(Math.floor(this.#percent)));
    this.#meter.setAttribute("aria-valuetext", percent === null ? STATE_WORDS[state] : shortStatus(task));
    this.#fill.style.setProperty("--relay-percent", `${this.#percent}%`);
    this.tick(now);
  }

  /** The time alone. */
  tick(/** @type {number} */ now) {
    const { created_at, ended_at, tags } = this.task;
    const took = duration((ended_at ?? now) - created_at);
    const time = ended_at === null ? took : `took ${took} · ended ${ago(now - ended_at)}`;
    setText(this.#facts, [time, ...tags.map((tag) => `#${tag}`)].join(" · "));
  }
}
