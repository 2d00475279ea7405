// @ts-check
/** The head of the board: how all tasks together stand, as words, as one bar, and as buttons that filter by it. */
import { GROUP_WORDS, GROUPS, summaryOf } from "./board-view.js";
import { h, setText, textElement } from "./dom.js";

/** @typedef {import("./board-view.js").Filter} Filter */
/** @typedef {import("./board-view.js").Group} Group */

export class BoardHead {
  #part;
  #choose;

  /**
   * @param {(id: string) => HTMLElement} part
   * @param {(filter: Partial<Filter>) => void} choose
   */
  constructor(part, choose) {
    this.#part = part;
    this.#choose = choose;
    const text = /** @type {HTMLInputElement} */ (part("search"));
    text.addEventListener("input", () => choose({ text: text.value }));
  }

  /**
   * @param {Map<Group, number>} counts
   * @param {string[]} tags
   * @param {Filter} filter
   * @param {boolean} partial whether there are older tasks that are not here
   */
  render(counts, tags, filter, partial) {
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
    setText(this.#part("summary"), summaryOf(counts));
    this.#part("partial").hidden = !partial;
    setText(this.#part("partial"), `of the ${all} newest`);
    const shown = GROUPS.filter((group) => counts.get(group));
    this.#part("aggregate").replaceChildren(
      ...shown.map((group) => {
        const share = h("span", { "data-group": group });
        share.style.setProperty("flex-grow", String(counts.get(group)));
        return share;
      }),
    );
    this.#renderChips("groups", [
      this.#chip("", `All ${all}`, filter.group === "", () => this.#choose({ group: "" })),
      ...shown.map((group) =>
        this.#chip(group, `${GROUP_WORDS[group]} ${counts.get(group)}`, filter.group === group, () =>
          this.#choose({ group: filter.group === group ? "" : group }),
        ),
      ),
    ]);
    this.#part("tags").hidden = tags.length === 0;
    this.#renderChips(
      "tags",
      tags.map((tag) =>
        this.#chip("", `#${tag}`, filter.tag === tag, () => this.#choose({ tag: filter.tag === tag ? "" : tag })),
      ),
    );
  }

  /** Whoever has just pressed one of them stays on it. */
  #renderChips(/** @type {string} */ id, /** @type {HTMLElement[]} */ chips) {
    const place = this.#part(id);
    const words = chips.map((chip) => `${chip.textContent}${chip.getAttribute("aria-pressed")}`).join("\n");
    if (place.dataset.shown === words) return;
    place.dataset.shown = words;
    const focused = [...place.children].indexOf(/** @type {Element} */ (document.activeElement));
    place.replaceChildren(...chips);
    if (focused >= 0) /** @type {HTMLElement|undefined} */ (place.children[focused])?.focus();
  }

  /**
   * @param {Group|""} group
   * @param {string} words
   * @param {boolean} pressed
   * @param {() => void} press
   */
  #chip(group, words, pressed, press) {
    const dot = group ? [h("span", { class: "dot", "data-group": group })] : [];
    const chip = h("button", { type: "button", class: "chip", "aria-pressed": String(pressed) }, ...dot, textElement("span", words));
    chip.addEventListener("click", press);
    return chip;
  }
}
