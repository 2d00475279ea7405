// @ts-check
/** Shows the six stages of a task, and below them, collapsed, every step that the platform reports. */
import { h, setText, textElement } from "./dom.js";
import { clockTime, duration } from "./format.js";
import { stagesOf } from "./stages.js";
import { say, sayKnown } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */

export class StagesView {
  #rail;
  #steps;
  #fold;
  #footnote;

  /**
   * @param {HTMLElement} rail
   * @param {HTMLElement} footnote explains dotted marks
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
    const stages = stagesOf(state, now);
    resize(this.#rail, stages.length, stageRow);
    stages.forEach(({ name, status, duration_s, isReconstructed }, index) => {
      const row = /** @type {HTMLElement} */ (this.#rail.children[index]);
      const [title, time, note] = row.children;
      row.dataset.status = status;
      row.toggleAttribute("data-reconstructed", isReconstructed);
      if (status === "current") row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
      setText(title, name);
      setText(time, duration_s === null ? statusText(status) : duration(duration_s));
      setText(note, isReconstructed ? say("stages.reconstructed") : status === "ahead" ? say("stages.ahead") : "");
    });
    this.#footnote.hidden = !stages.some(({ isReconstructed }) => isReconstructed);
    this.#renderSteps(state, now);
  }

  /** A step lasts until the next one starts, so the last step of a running task keeps counting. */
  #renderSteps(/** @type {Snapshot} */ { stages, done, ended_at }, /** @type {number} */ now) {
    this.#fold.hidden = stages.length === 0;
    resize(this.#steps, stages.length, stepRow);
    stages.forEach((stage, index) => {
      const [name, clock, source, time] = this.#steps.children[index].children;
      const isLast = index === stages.length - 1;
      const end = isLast ? (ended_at ?? now) : stages[index + 1].at;
      setText(name, sayKnown("step", stage.type));
      setText(clock, clockTime(stage.at, now));
      setText(source, stage.source === "live" ? "" : sayKnown("source", stage.source));
      setText(time, isLast && done ? "" : duration(end - stage.at));
    });
  }
}

function statusText(/** @type {string} */ status) {
  return status === "skipped" || status === "current"
    ? say(status === "skipped" ? "stages.skipped" : "stages.now")
    : "";
}

/**
 * @param {Element} list
 * @param {number} length
 * @param {() => Element} create
 */
function resize(list, length, create) {
  while (list.children.length > length) list.lastElementChild?.remove();
  while (list.children.length < length) list.append(create());
}

function stageRow() {
  return h(
    "li",
    {},
    textElement("span", "", "name"),
    textElement("span", "", "duration"),
    textElement("span", "", "visually-hidden"),
  );
}

function stepRow() {
  return h(
    "li",
    {},
    textElement("span", ""),
    textElement("time", "", "faint clock"),
    textElement("span", "", "faint"),
    textElement("span", "", "duration"),
  );
}
