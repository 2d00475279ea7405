// @ts-check
/**
 * Loads the first result of each row that is near the screen. If the relay keeps copies of results, it has small
 * pictures of them, for which a token is needed; otherwise the file at the platform is loaded.
 */
import { h } from "../element/dom.js";
import { mediaUrl } from "../element/safe-url.js";

/** @import { Output } from "../../relay.js" */
/** @import { TaskRow } from "./task-row.js" */

/** How far from the screen a picture is loaded. */
const MARGIN = "200px";
/** The smallest width that the relay offers; a tile is smaller. */
const WIDTH = "160";

export class Thumbnails {
  #address;
  #hasCopies;
  /** @type {Promise<boolean>|null} */
  #areKept = null;
  /** @type {Map<Element, () => void>} */
  #waiting = new Map();
  #isStarted = false;
  #observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: MARGIN });

  /**
   * @param {object} options
   * @param {(task: string, output: Output) => Promise<string|null>} options.address of a result at the relay
   * @param {(task: string) => Promise<boolean>} options.hasCopies whether the relay keeps copies of a task's results
   */
  constructor({ address, hasCopies }) {
    this.#address = address;
    this.#hasCopies = hasCopies;
  }

  /** Load the pictures of the rows that are near the screen now or later. */
  start() {
    for (const row of this.#waiting.keys()) this.#observer.observe(row);
    this.#isStarted = true;
  }

  /** Forget all rows. */
  reset() {
    this.#observer.disconnect();
    this.#waiting.clear();
    this.#isStarted = false;
    this.#areKept = null;
  }

  /** Show a result in a row's tile, once the row is near the screen. */
  show(/** @type {TaskRow} */ row, /** @type {Output} */ output) {
    this.#waiting.set(row.element, () => this.#load(row, output));
    if (this.#isStarted) this.#observer.observe(row.element);
  }

  #seen(/** @type {IntersectionObserverEntry[]} */ entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.#observer.unobserve(target);
      this.#waiting.get(target)?.();
      this.#waiting.delete(target);
    }
  }

  async #load(/** @type {TaskRow} */ row, /** @type {Output} */ output) {
    const direct = mediaUrl(output.url);
    this.#areKept ??= this.#hasCopies(row.task.id);
    const isKept = output.href !== null && (await this.#areKept);
    const addresses = isKept ? [await this.#kept(row, output), direct] : [direct];
    this.#attempt(
      row,
      output,
      addresses.filter((address) => address !== null),
    );
  }

  async #kept(/** @type {TaskRow} */ row, /** @type {Output} */ output) {
    const address = await this.#address(row.task.id, output);
    if (address === null || !output.content_type.startsWith("image/")) return address;
    const small = new URL(address);
    small.searchParams.set("w", WIDTH);
    return small.href;
  }

  /** Show the first address that can be loaded; without any, the tile keeps its sign. */
  #attempt(/** @type {TaskRow} */ row, /** @type {Output} */ output, /** @type {string[]} */ [address, ...others]) {
    if (!address) return;
    const isVideo = output.content_type.startsWith("video/");
    const media = isVideo ? h("video", { preload: "metadata", muted: true, playsinline: true }) : h("img", { alt: "" });
    const retry = () => this.#attempt(row, output, others);
    media.addEventListener(isVideo ? "loadeddata" : "load", () => row.tile.showMedia(media));
    media.addEventListener("error", retry, { once: true });
    media.src = isVideo ? `${address}#t=0.1` : address;
  }
}
