// @ts-check
/** Shows the rail of six stages, and below it, folded away, every step that the upstream tells of. */
import { h, setText, textElement } from "./dom.js";
import { clockTime, duration, STAGE_WORDS } from "./format.js";
import { railOf } from "./stages.js";

/** @typedef {import("../client/types.js").Snapshot} Snapshot */

/** @type {Record<import("./stages.js").RailStatus, string>} */
const STATUS_WORDS = { passed: "", skipped: "skipped", current: "now", ahead: "", ended: "" };

export class RailView {
  #rail;
  #steps;
  #fold;
  #footnote;

  /**
   * @param {HTMLElement} rail
   * @param {HTMLElement} footnote says what a dotted mark is, where there is one
   * @param {HTMLElement} fold
   * @param {HTMLElement} steps the list in the fold
   */
  constructor(rail, footnote, fold, steps) {
    this.#rail = rail;
    this.#footnote = footnote;
    this.#fold = fold;
    this.#steps = steps;
  }

  /**
   * @param {Snapshot} state
   * @param {number} now
   */
  render(state, now) {
    const stages = railOf(state, now);
    resize(this.#rail, stages.length, stageRow);
    stages.forEach(({ name, status, lasted_s, reconstructed }, index) => {
      const row = /** @type {HTMLElement} */ (this.#rail.children[index]);
      const [title, lasted, spoken] = row.children;
      row.dataset.status = status;
      row.toggleAttribute("data-reconstructed", reconstructed);
      if (status === "current") row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
      setText(title, name);
      setText(lasted, lasted_s === null ? STATUS_WORDS[status] : duration(lasted_s));
      setText(spoken, reconstructed ? "worked out afterwards" : status === "ahead" ? "not yet" : "");
    });
    this.#footnote.hidden = !stages.some(({ reconstructed }) => reconstructed);
    this.#renderSteps(state, now);
  }

  /** Each step lasts until the next one; the last of a task that still runs is the one that ticks. */
  #renderSteps(/** @type {Snapshot} */ { stages, done, ended_at }, /** @type {number} */ now) {
    this.#fold.hidden = stages.length === 0;
    resize(this.#steps, stages.length, stepRow);
    stages.forEach((stage, index) => {
      const [name, clock, note, lasted] = this.#steps.children[index].children;
      const last = index === stages.length - 1;
      const until = last ? (ended_at ?? now) : stages[index + 1].at;
      setText(name, STAGE_WORDS[stage.type] ?? stage.type);
      setText(clock, clockTime(stage.at, now));
      setText(note, stage.source === "live" ? "" : (SOURCE_WORDS[stage.source] ?? stage.source));
      setText(lasted, last && done ? "" : duration(until - stage.at));
    });
  }
}

/** @type {Record<string, string>} */
const SOURCE_WORDS = {
  reconciled: "worked out afterwards",
  callback: "told by a callback",
  polled: "asked for",
  relay: "the relay's own",
};

/**
 * @param {Element} list
 * @param {number} length
 * @param {() => Element} make
 */
function resize(list, length, make) {
  while (list.children.length > length) list.lastElementChild?.remove();
  while (list.children.length < length) list.append(make());
}

function stageRow() {
  return h(
    "li",
    {},
    textElement("span", "", "name"),
    textElement("span", "", "lasted"),
    textElement("span", "", "spoken"),
  );
}

function stepRow() {
  return h(
    "li",
    {},
    textElement("span", ""),
    textElement("time", "", "faint clock"),
    textElement("span", "", "faint"),
    textElement("span", "", "lasted"),
  );
}
