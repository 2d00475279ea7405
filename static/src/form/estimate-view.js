// @ts-check
/** Shows beside the start button what a start will probably cost and how long it will take, if the relay knows it. */
import { Problem } from "../client/problem.js";
import { setText } from "../element/dom.js";
import { estimateBasis, estimateText } from "./estimate.js";

/** @import { StartBody } from "../client/start-call.js" */
/** @import { Usual } from "./model.js" */

/** An estimate is requested this long after the last change. */
const PAUSE_MS = 500;

export class EstimateView {
  #place;
  #ask;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #asked = "";

  /**
   * @param {HTMLElement} place
   * @param {(body: StartBody) => Promise<{usual: Usual|null}>} ask
   */
  constructor(place, ask) {
    this.#place = place;
    this.#ask = ask;
  }

  /** Show the usual values of the model until those of the input are known. */
  show(/** @type {Usual|null} */ usual) {
    clearTimeout(this.#timer);
    this.#asked = "";
    this.#render(usual);
  }

  /** Request the estimate of an input soon. Until then the present one stays. */
  update(/** @type {StartBody} */ body) {
    const wanted = JSON.stringify(body);
    if (wanted === this.#asked) return;
    this.#asked = wanted;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#request(body, wanted), PAUSE_MS);
  }

  async #request(/** @type {StartBody} */ body, /** @type {string} */ wanted) {
    try {
      const { usual } = await this.#ask(body);
      if (wanted === this.#asked) this.#render(usual);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (wanted === this.#asked) this.#render(null); // nothing is known of such an input
    }
  }

  #render(/** @type {Usual|null} */ usual) {
    setText(this.#place, estimateText(usual));
    this.#place.title = estimateBasis(usual);
  }
}
