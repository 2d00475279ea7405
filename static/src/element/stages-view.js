// @ts-check
/**
 * Shows the stages of a task on a common time axis, over the usual length of such tasks, and below them, collapsed,
 * every step that the platform reports.
 */
import { h, setText, textElement } from "./dom.js";
import { clockTime, duration } from "./format.js";
import { stagesOf } from "./stages.js";
import { UsualLength } from "./usual-length.js";
import { say, sayKnown } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { Stage } from "./stages.js" */
/** @import { Usual } from "./usual-length.js" */

export class StagesView {
  #rail;
  #usual;
  #steps;
  #fold;
  #length = new UsualLength();

  /**
   * @param {HTMLElement} rail
   * @param {HTMLElement} usual states the usual length
   * @param {HTMLElement} fold
   * @param {HTMLElement} steps the list in the fold
   */
  constructor(rail, usual, fold, steps) {
    this.#rail = rail;
    this.#usual = usual;
    this.#fold = fold;
    this.#steps = steps;
  }

  /**
   * @param {Snapshot} state
   * @param {number} now
   * @param {Usual|null} known the usual length of tasks of this model, if the page knows it
   */
  render(state, now, known) {
    const stages = stagesOf(state, now);
    const usual = known ?? this.#length.update(state);
    const total_s = Math.max(0.1, (state.ended_at ?? now) - state.created_at);
    const axis_s = Math.max(total_s, usual?.p90_s ?? 0);
    this.#rail.style.setProperty("--relay-usual", share(usual?.p50_s ?? 0, axis_s));
    this.#usual.hidden = usual === null;
    if (usual) setText(this.#usual, lengthText(usual, known ? "usual" : "expected"));
    resize(this.#rail, stages.length, stageRow);
    stages.forEach((stage, index) => {
      renderRow(/** @type {HTMLElement} */ (this.#rail.children[index]), stage, axis_s);
    });
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

/**
 * @param {HTMLElement} row
 * @param {Stage} stage
 * @param {number} axis_s the length of the time axis
 */
function renderRow(row, { name, status, start_s, duration_s, isReconstructed }, axis_s) {
  const [title, track, time, note] = row.children;
  row.dataset.status = status;
  row.toggleAttribute("data-reconstructed", isReconstructed);
  if (isReconstructed)
    row.tabIndex = 0; // the explanation appears on focus as well
  else row.removeAttribute("tabindex");
  if (status === "current") row.setAttribute("aria-current", "step");
  else row.removeAttribute("aria-current");
  setText(title, name);
  const bar = /** @type {HTMLElement} */ (track.firstElementChild);
  bar.hidden = duration_s === null;
  bar.style.insetInlineStart = share(start_s, axis_s);
  bar.style.width = share(duration_s ?? 0, axis_s);
  setText(time, duration_s === null ? statusText(status) : duration(duration_s));
  setText(note, isReconstructed ? say("stages.reconstructed") : status === "ahead" ? say("stages.ahead") : "");
}

function statusText(/** @type {string} */ status) {
  if (status === "skipped") return say("stages.skipped");
  return status === "current" ? say("stages.now") : "";
}

/**
 * Return how long such tasks take: a range, unless both ends read the same.
 *
 * @param {Usual} usual
 * @param {"usual"|"expected"} basis
 */
function lengthText({ p50_s, p90_s }, basis) {
  const [low, high] = [duration(p50_s), duration(p90_s)];
  return low === high ? say(`stages.${basis}`, { time: low }) : say(`stages.${basis}_range`, { low, high });
}

/**
 * @param {number} part_s
 * @param {number} whole_s
 */
function share(part_s, whole_s) {
  return `${((part_s / whole_s) * 100).toFixed(2)}%`;
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
    h("span", { class: "track" }, h("span", { class: "span" })),
    textElement("span", "", "duration"),
    textElement("span", "", "note-text"),
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
