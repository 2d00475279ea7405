// @ts-check
/**
 * Loads a picture, a video or a sound, and loads it again where that fails: with back-off for a minute, then on request.
 *
 * Each attempt uses a fresh element, because a browser does not ask again for an `img` that has failed. Nothing runs for
 * a loader that is out of the document; `wake` goes on when it is back.
 */
import { h, textElement } from "./dom.js";
import { addressOfAttempt, canRetry, RETRY_DELAYS_S } from "./retry-schedule.js";

/** @typedef {HTMLImageElement|HTMLVideoElement|HTMLAudioElement} Media */

export class MediaLoader {
  /** What stands in the page: the media, or a note in their place. */
  element = h("div", { class: "media" });
  #url;
  #make;
  #frame;
  #link;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #isOverdue = false;
  #played_s = 0;

  /** The address that was tried last, and so the one that worked where something is shown. */
  src;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {() => Media} options.make makes an element without an address
   * @param {(media: Media) => HTMLElement} [options.frame] puts something around it
   * @param {Node|null} [options.link] another way to the file, shown where it cannot be loaded
   */
  constructor({ url, make, frame = (media) => media, link = null }) {
    this.#url = url;
    this.src = url;
    this.#make = make;
    this.#frame = frame;
    this.#link = link;
    this.element.append(this.#attempt());
  }

  /** Go on, after the loader was out of the document. */
  wake() {
    if (this.#isOverdue) this.#retry();
  }

  /** Do nothing more. */
  stop() {
    clearTimeout(this.#timer);
    this.#isOverdue = false;
  }

  /** Start an attempt, and return what to show if it succeeds. */
  #attempt() {
    const media = this.#make();
    const shown = this.#frame(media);
    media.addEventListener(media instanceof HTMLImageElement ? "load" : "loadedmetadata", () => this.#succeed(shown));
    media.addEventListener("error", () => this.#fail(media), { once: true });
    this.src = addressOfAttempt(this.#url, this.#failures);
    if (media instanceof HTMLMediaElement) media.currentTime = this.#played_s;
    media.src = this.src;
    return shown;
  }

  #succeed(/** @type {HTMLElement} */ shown) {
    if (shown.parentNode !== this.element) this.#show(shown);
  }

  #fail(/** @type {Media} */ media) {
    if (media instanceof HTMLMediaElement) this.#played_s = media.currentTime;
    const wait_s = canRetry(this.#url) ? RETRY_DELAYS_S[this.#failures] : undefined;
    this.#failures += 1;
    this.element.dataset.failures = String(this.#failures);
    if (wait_s === undefined) return this.#giveUp();
    this.#note(textElement("p", "This file could not be loaded yet. Trying again…"));
    this.#timer = setTimeout(() => this.#retry(), wait_s * 1000);
  }

  #retry() {
    this.#isOverdue = !this.element.isConnected;
    if (!this.#isOverdue) this.#attempt();
  }

  #giveUp() {
    const words = textElement("p", "This file could not be loaded.");
    if (!canRetry(this.#url)) return this.#note(words);
    const again = h("button", { type: "button" }, "Retry");
    again.addEventListener("click", () => {
      this.#failures = 0;
      this.#note(textElement("p", "Loading…"));
      this.#attempt();
    });
    this.#note(words, again);
  }

  /** Show words in the place of the media. The same words are left alone, so that no screen reader repeats them. */
  #note(/** @type {HTMLElement[]} */ ...parts) {
    const shown = this.element.querySelector(".note > p");
    if (shown?.textContent === parts[0].textContent) return;
    this.#show(h("div", { class: "note", role: "status" }, ...parts, ...(this.#link ? [this.#link] : [])));
  }

  #show(/** @type {HTMLElement} */ shown) {
    const hadFocus = this.element.contains(this.#focused());
    this.element.replaceChildren(shown);
    if (!hadFocus) return;
    const target = shown.matches("button, video, audio") ? shown : shown.querySelector("button, a");
    if (target instanceof HTMLElement) target.focus();
  }

  /** The focused element of the tree that this loader is in, a shadow tree too. */
  #focused() {
    const root = this.element.getRootNode();
    return root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
  }
}
