// @ts-check
/**
 * Shows the results of a task that are files. A result that is shown already stays as it is when others join it: a video
 * that plays goes on playing.
 *
 * @typedef {import("../client/types.js").Output} Output
 */
import { Lightbox } from "./lightbox.js";
import { OutputFigure } from "./output-figure.js";
import { outputText } from "./output-text.js";

export class OutputsView {
  #place;
  #lightbox;
  /** @type {Map<string, OutputFigure>} by what each shows */
  #figures = new Map();

  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} room where the lightbox may be put
   */
  constructor(place, room) {
    this.#place = place;
    this.#lightbox = new Lightbox(room);
  }

  /**
   * @param {readonly Output[]} outputs
   * @param {string|null} before the picture that the task began with, where the viewer may see it
   */
  render(outputs, before) {
    const files = outputs.filter((output) => outputText(output).length === 0);
    const keys = files.map((_, index) => keyOf(files, index));
    if (keys.join("\n") !== [...this.#figures.keys()].join("\n")) this.#replace(files, keys);
    const figures = [...this.#figures.values()];
    const first = figures.find(({ isPicture }) => isPicture);
    for (const figure of figures) {
      figure.compareWith(figure === first ? before : null);
      figure.wake();
    }
    this.#lightbox.wake();
  }

  /**
   * @param {Output[]} files
   * @param {string[]} keys
   */
  #replace(files, keys) {
    const shown = this.#figures;
    this.#figures = new Map(keys.map((key, index) => [key, shown.get(key) ?? this.#figure(files[index])]));
    for (const [key, figure] of shown) {
      if (this.#figures.has(key)) continue;
      figure.stop();
      figure.element.remove();
    }
    // What stands in its place is not touched: a video that is moved stops.
    [...this.#figures.values()].forEach(({ element }, index) => {
      const there = this.#place.children[index];
      if (there !== element) this.#place.insertBefore(element, there ?? null);
    });
    this.#place.hidden = files.length === 0;
  }

  #figure(/** @type {Output} */ file) {
    const figure = new OutputFigure(file, () => {
      const pictures = [...this.#figures.values()].filter(({ isPicture }) => isPicture);
      this.#lightbox.open(pictures, pictures.indexOf(figure));
    });
    return figure;
  }
}

/**
 * Name what an output shows; equal outputs are told apart by their number.
 *
 * @param {Output[]} files
 * @param {number} index
 */
function keyOf(files, index) {
  const { url, name, content_type, size } = files[index];
  const same = files.slice(0, index).filter((file) => file.url === url && file.name === name).length;
  return JSON.stringify([url, name, content_type, size, same]);
}
