// @ts-check
/**
 * Makes the rows' links work as any link does: in a new tab, copied, or shared. Their addresses need a token, which is
 * created as soon as the reader points at a link or focuses it.
 */

/** @typedef {{link: HTMLAnchorElement, task: {id: string}}} Row */
/** @typedef {{rowOf: (target: EventTarget|null) => Row|null}} Rows finds the row that a target is in */

/** A pointer that only passes over a row needs no token. */
const HOVER_MS = 80;

export class RowLinks {
  #list;
  #createToken;
  #onOpen;
  /** @type {Map<string, Promise<string>>} */
  #tokens = new Map();
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #hover;

  /**
   * @param {HTMLElement} element
   * @param {Rows} list
   * @param {object} handlers
   * @param {(task: string) => Promise<string>} handlers.createToken creates a token that can only view
   * @param {(task: string) => void} handlers.onOpen called when the reader opens a task in this tab
   */
  constructor(element, list, { createToken, onOpen }) {
    this.#list = list;
    this.#createToken = createToken;
    this.#onOpen = onOpen;
    element.addEventListener("pointerover", ({ target }) => {
      clearTimeout(this.#hover);
      this.#hover = setTimeout(() => this.#prepare(target), HOVER_MS);
    });
    element.addEventListener("pointerleave", () => clearTimeout(this.#hover));
    element.addEventListener("pointerdown", ({ target }) => this.#prepare(target));
    element.addEventListener("focusin", ({ target }) => this.#prepare(target));
    for (const type of /** @type {const} */ (["click", "auxclick"])) {
      element.addEventListener(type, (event) => this.#clicked(event));
    }
  }

  /** Forget all tokens. */
  reset() {
    this.#tokens.clear();
  }

  /** Return a token that can view a task. */
  token(/** @type {string} */ task) {
    let token = this.#tokens.get(task);
    if (!token) {
      token = this.#createToken(task);
      this.#tokens.set(task, token);
      token.catch(() => this.#tokens.delete(task)); // the next attempt asks again; the caller reports the error
    }
    return token;
  }

  /** Complete the address of a row's link. Without an answer, a click asks again and shows the error. */
  #prepare(/** @type {EventTarget|null} */ target) {
    const row = this.#list.rowOf(target);
    if (row && !row.link.hash) this.#complete(row).catch(() => {});
  }

  async #complete(/** @type {Row} */ row) {
    row.link.hash = `token=${await this.token(row.task.id)}`;
  }

  #clicked(/** @type {MouseEvent} */ event) {
    const row = this.#list.rowOf(event.target);
    if (!row || !(event.target instanceof Node && row.link.contains(event.target)) || event.button > 1) return;
    const isElsewhere = event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (isElsewhere && row.link.hash) return;
    event.preventDefault();
    if (isElsewhere) this.#complete(row).then(() => open(row.link.href));
    else this.#onOpen(row.task.id);
  }
}
