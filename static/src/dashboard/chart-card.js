// @ts-check
/** A chart with its summary, and its figures as a table for those who cannot see it or want to read them. */

import { svg } from "../board/svg.js";
import { h, setText, textElement } from "../element/dom.js";

/** @typedef {{caption: string, figure: string, description: string, head: string[], rows: string[][]}} Content */

/** The drawing area, in CSS pixels; the width follows the card. */
export const HEIGHT = 72;
/** Used while the card is not laid out. */
const WIDTH = 300;

export class ChartCard {
  #caption = textElement("span", "", "faint");
  #figure = textElement("strong", "");
  #drawing = svg("svg", { role: "img", height: HEIGHT });
  #table = h("table");
  /** Focusable, so that the keyboard can scroll it. */
  #scroller = h("div", { class: "scroll", tabindex: "0", role: "region" }, this.#table);
  #details;
  /** @type {Content|null} */
  #content = null;
  element;

  constructor(/** @type {string} */ name) {
    this.#details = h("details", {}, textElement("summary", "Table"), this.#scroller);
    this.#details.addEventListener("toggle", () => this.#renderTable());
    const caption = h("figcaption", {}, this.#caption, this.#figure);
    this.element = h("figure", { class: "chart card", "data-chart": name }, caption, this.#drawing, this.#details);
  }

  /** The width of the drawing, in CSS pixels. */
  get width() {
    return this.#drawing.clientWidth || WIDTH;
  }

  /**
   * @param {Content} content
   * @param {Node[]} shapes
   */
  render(content, shapes) {
    this.#content = content;
    setText(this.#caption, content.caption);
    setText(this.#figure, content.figure);
    this.#drawing.setAttribute("aria-label", content.description);
    this.#scroller.setAttribute("aria-label", `${content.caption}: table`);
    this.#drawing.replaceChildren(...shapes);
    this.#renderTable();
  }

  /** Only an open table is filled: it may have many rows. */
  #renderTable() {
    if (!this.#details.open || !this.#content) return;
    const { head, rows, caption } = this.#content;
    const line = (/** @type {"th"|"td"} */ tag, /** @type {string[]} */ cells) =>
      h("tr", {}, ...cells.map((cell) => h(tag, tag === "th" ? { scope: "col" } : {}, cell)));
    this.#table.replaceChildren(
      textElement("caption", caption, "visually-hidden"),
      h("thead", {}, line("th", head)),
      h("tbody", {}, ...rows.map((row) => line("td", row))),
    );
  }
}
