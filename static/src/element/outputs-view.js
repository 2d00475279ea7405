// @ts-check
/** Shows the files that a task produced. When others are added, a shown file is left alone: a video keeps playing. */
import { Lightbox } from "./lightbox.js";
import { OutputFigure } from "./output-figure.js";
import { outputText } from "./output-text.js";

/** @import { Output } from "../../relay.js" */
/** @import { Access } from "../client/task-calls.js" */

export class OutputsView {
  #container;
  #access;
  #lightbox;
  /** @type {Map<string, OutputFigure>} by the key of the output */
  #figures = new Map();

  /**
   * @param {HTMLElement} container
   * @param {HTMLElement} lightboxParent
   * @param {() => Access|null} [access] returns what the relay's copies are loaded with
   */
  constructor(container, lightboxParent, access = () => null) {
    this.#container = container;
    this.#access = access;
    this.#lightbox = new Lightbox(lightboxParent);
  }

  /**
   * @param {readonly Output[]} outputs
   * @param {{image: string|null, ratio: number|null}|null} input what the viewer may know of the input: the address of
   *   its image, and the shape of the results
   */
  render(outputs, input) {
    const files = outputs.filter((output) => outputText(output).length === 0);
    const keys = files.map((_, index) => keyOf(files, index));
    if (keys.join("\n") !== [...this.#figures.keys()].join("\n")) this.#replace(files, keys);
    const figures = [...this.#figures.values()];
    const first = figures.find(({ isImage }) => isImage);
    for (const figure of figures) {
      figure.compareWith(figure === first && input ? input.image : null);
      figure.resume();
    }
    this.#lightbox.resume();
    this.#container.dataset.columns = String(columns(figures.filter(({ isFile }) => !isFile).length));
    this.#container.style.setProperty("--relay-ratio", String(input?.ratio ?? 1));
  }

  /**
   * @param {Output[]} files
   * @param {string[]} keys
   */
  #replace(files, keys) {
    const before = this.#figures;
    this.#figures = new Map(keys.map((key, index) => [key, before.get(key) ?? this.#figure(files[index])]));
    for (const [key, figure] of before) {
      if (this.#figures.has(key)) continue;
      figure.stop();
      figure.element.remove();
    }
    // Only move elements that are out of place: moving a video stops it.
    [...this.#figures.values()].forEach(({ element }, index) => {
      const current = this.#container.children[index];
      if (current !== element) this.#container.insertBefore(element, current ?? null);
    });
    this.#container.hidden = files.length === 0;
  }

  #figure(/** @type {Output} */ file) {
    const figure = new OutputFigure(file, this.#access(), () => {
      const images = [...this.#figures.values()].filter(({ isImage }) => isImage);
      this.#lightbox.open(images, images.indexOf(figure));
    });
    return figure;
  }
}

/** Return how many columns a wide gallery has, so that its last row is full or nearly so. */
function columns(/** @type {number} */ count) {
  return count < 4 ? count : count % 4 === 0 || count > 9 ? 4 : 3;
}

/**
 * Return a key for an output. Identical outputs are numbered.
 *
 * @param {Output[]} files
 * @param {number} index
 */
function keyOf(files, index) {
  const { url, name, content_type, size } = files[index];
  const same = files.slice(0, index).filter((file) => file.url === url && file.name === name).length;
  return JSON.stringify([url, name, content_type, size, same]);
}
