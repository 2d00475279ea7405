// @ts-check
/** The compact form of <relay-task>: one line with a ring, such as `57 % Generating · about 25 s left`. */
import compact from "./compact.css" with { type: "css" };
import { compactLine, lineText } from "./compact-line.js";
import { BarLevel, displayedProgress } from "./displayed-progress.js";
import { h, setText } from "./dom.js";
import { percentText } from "./format.js";
import { stallOf } from "./stall.js";
import theme from "./theme.css" with { type: "css" };

/** @import { Access } from "../client/task-calls.js" */
/** @import { ViewUpdate } from "./task-view.js" */

const SVG = "http://www.w3.org/2000/svg";
/** The mark in the ring of a task that has ended. @type {Record<string, string>} */
const MARKS = { succeeded: "M6 10.4l2.7 2.7L14 7.6", canceled: "M6.5 10h7", "": "M7 7l6 6M13 7l-6 6" };

export class CompactView {
  #card;
  #ring;
  #value = svg("circle", { class: "value", cx: "10", cy: "10", r: "8", pathLength: "100" });
  #mark = svg("path", { class: "mark", d: MARKS[""] });
  #percent = h("strong", { class: "percent", part: "percent" });
  #label = h("span", { class: "label", part: "state", "data-is": "state" });
  #rest = h("span", { class: "rest", part: "rest" });
  #announcement = h("span", { class: "visually-hidden", "aria-live": "polite" });
  #level = new BarLevel();

  /** The token decides whether a refusal means that the link has ended. @type {Access} */
  access;

  /**
   * @param {ShadowRoot} root must be empty
   * @param {Access} access
   */
  constructor(root, access) {
    this.access = access;
    root.adoptedStyleSheets = [theme, compact].flatMap((sheet) => sheet ?? []);
    this.#ring = svg(
      "svg",
      {
        viewBox: "0 0 20 20",
        role: "progressbar",
        "aria-label": "Progress",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
      },
      svg("circle", { class: "track", cx: "10", cy: "10", r: "8" }),
      this.#value,
      this.#mark,
    );
    const text = h("span", { class: "text" }, this.#percent, this.#label, this.#rest);
    this.#card = h("article", { "data-is": "card", part: "card" }, this.#ring, text, this.#announcement);
    root.append(this.#card);
  }

  /**
   * Show an update.
   *
   * @param {ViewUpdate} update
   * @param {number} now seconds of the server's clock
   */
  render(update, now) {
    const { state, connection } = update;
    const line = compactLine(update, now, this.access.token);
    const isDone = state?.done != null;
    const percent = state && !isDone ? this.#level.update(displayedProgress(state)) : line.percent;
    this.#card.dataset.state = state?.state ?? "";
    this.#card.dataset.connection = connection;
    this.#card.toggleAttribute("data-past", line.isPast);
    this.#card.toggleAttribute("data-done", isDone);
    this.#card.toggleAttribute("data-quiet", state !== null && stallOf(state) !== null);
    this.#card.title = lineText({ ...line, percent }, isDone);
    this.#renderRing(percent, this.#card.title);
    if (isDone) this.#mark.setAttribute("d", MARKS[state.state] ?? MARKS[""]);
    setText(this.#percent, percent === null || isDone ? "" : percentText(percent));
    setText(this.#label, line.label);
    setText(this.#rest, line.rest);
    setText(this.#announcement, line.label);
  }

  #renderRing(/** @type {number|null} */ percent, /** @type {string} */ description) {
    this.#ring.toggleAttribute("data-unknown", percent === null);
    this.#ring.setAttribute("aria-valuetext", description);
    if (percent === null) this.#ring.removeAttribute("aria-valuenow");
    else this.#ring.setAttribute("aria-valuenow", String(Math.floor(percent)));
    this.#value.style.setProperty("--relay-percent", String(percent ?? 25));
  }
}

/**
 * @param {"svg"|"circle"|"path"} tag
 * @param {Record<string, string>} attributes
 * @param {...Node} children
 */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
