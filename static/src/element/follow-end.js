// @ts-check
/** Keeps a pane scrolled to its end while its content grows, until the reader scrolls up. */

/** Within this distance of its end, in CSS pixels, a pane counts as scrolled to the end: zoomed pages use fractions. */
export const NEAR_PX = 8;

export class FollowEnd {
  #pane;
  #isFollowing = true;

  constructor(/** @type {HTMLElement} */ pane) {
    this.#pane = pane;
    pane.addEventListener(
      "scroll",
      () => {
        this.#isFollowing = pane.scrollHeight - pane.scrollTop - pane.clientHeight < NEAR_PX;
      },
      { passive: true },
    );
  }

  /** Call this after the content has grown. */
  update() {
    if (this.#isFollowing) this.#pane.scrollTop = this.#pane.scrollHeight;
  }
}
