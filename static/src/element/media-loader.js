// @ts-check
/**
 * Loads an image, a video or audio, and retries on failure: with back-off for about a minute, then on request.
 *
 * Each attempt uses a new element, because a browser does not request an `img` again after it has failed. A loader that
 * is out of the document does nothing; `resume` continues when it is back.
 */
import { h, textElement } from "./dom.js";
import { addressOfAttempt, canRetry, RETRY_DELAYS_S } from "./retry-schedule.js";
import { say } from "./words.js";

/** @typedef {HTMLImageElement|HTMLVideoElement|HTMLAudioElement} Media */

export class MediaLoader {
  /** Contains the media, or a note in its place. */
  element = h("div", { class: "media" });
  #url;
  #otherUrl;
  #create;
  #wrap;
  #link;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #isOverdue = false;
  #played_s = 0;

  /** The address of the last attempt, which is the one that worked if the media is shown. */
  src;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {string|null} [options.otherUrl] another address of the same file, for every second attempt
   * @param {() => Media} options.create creates an element without an address
   * @param {(media: Media) => HTMLElement} [options.wrap] wraps the element
   * @param {Node|null} [options.link] a link to the file, shown if it cannot be loaded
   */
  constructor({ url, otherUrl = null, create, wrap = (media) => media, link = null }) {
    this.#url = url;
    this.#otherUrl = otherUrl === url ? null : otherUrl;
    this.src = url;
    this.#create = create;
    this.#wrap = wrap;
    this.#link = link;
    this.element.append(this.#attempt({ isInDocument: true }));
  }

  /** Continue after the loader was out of the document. */
  resume() {
    if (this.#isOverdue) this.#retry();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#isOverdue = false;
  }

  /** Start an attempt. Returns what to show if it succeeds. */
  #attempt({ isInDocument = false } = {}) {
    const media = this.#create();
    // An image outside the document would never come into view.
    if (media instanceof HTMLImageElement && isInDocument) media.loading = "lazy";
    const wrapped = this.#wrap(media);
    media.addEventListener(media instanceof HTMLImageElement ? "load" : "loadedmetadata", () => this.#loaded(wrapped));
    media.addEventListener("error", () => this.#failed(media), { once: true });
    const usesOther = this.#otherUrl !== null && this.#failures % 2 === 1;
    this.src = addressOfAttempt((usesOther && this.#otherUrl) || this.#url, this.#failures + (usesOther ? 1 : 0));
    if (media instanceof HTMLMediaElement) media.currentTime = this.#played_s;
    media.src = this.src;
    return wrapped;
  }

  #loaded(/** @type {HTMLElement} */ wrapped) {
    if (wrapped.parentNode !== this.element) this.#show(wrapped);
  }

  #failed(/** @type {Media} */ media) {
    if (media instanceof HTMLMediaElement) this.#played_s = media.currentTime;
    const wait_s = canRetry(this.#url) ? RETRY_DELAYS_S[this.#failures] : undefined;
    this.#failures += 1;
    this.element.dataset.failures = String(this.#failures);
    if (wait_s === undefined) return this.#giveUp();
    this.#showNote(textElement("p", say("result.retrying")));
    this.#timer = setTimeout(() => this.#retry(), wait_s * 1000);
  }

  #retry() {
    this.#isOverdue = !this.element.isConnected;
    if (!this.#isOverdue) this.#attempt();
  }

  #giveUp() {
    const text = textElement("p", say("result.failed"));
    if (!canRetry(this.#url)) return this.#showNote(text);
    const retry = h("button", { type: "button" }, say("result.retry"));
    retry.addEventListener("click", () => {
      this.#failures = 0;
      this.#showNote(textElement("p", say("result.loading")));
      this.#attempt();
    });
    this.#showNote(text, retry);
  }

  /** Show a note in place of the media. An unchanged note is left alone, so that no screen reader repeats it. */
  #showNote(/** @type {HTMLElement[]} */ ...parts) {
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

  /** Return the focused element of the document or shadow tree that contains this loader. */
  #focused() {
    const root = this.element.getRootNode();
    return root instanceof Document || root instanceof ShadowRoot ? root.activeElement : null;
  }
}
