// @ts-check
/** The head of the board: how all tasks together stand, as words, as one bar, and as buttons that filter by it. */

import { h, setText, textElement } from "../element/dom.js";
import { GROUP_WORDS, GROUPS, isEndedGroup, sum, summaryOf } from "./task-groups.js";

/** A search begins when nothing was typed for so long. */
const TYPING_MS = 250;

/** @typedef {import("./task-groups.js").Filter} Filter */
/** @typedef {import("./task-groups.js").Group} Group */

export class BoardHead {
  #part;
  #choose;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #typing;

  /**
   * @param {(id: string) => HTMLElement} part
   * @param {(filter: Partial<Filter>) => void} choose
   * @param {() => number} now the relay's clock
   */
  constructor(part, choose, now) {
    this.#part = part;
    this.#choose = choose;
    const text = /** @type {HTMLInputElement} */ (part("search"));
    text.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => choose({ text: text.value }), TYPING_MS);
    });
    const period = /** @type {HTMLSelectElement} */ (part("period"));
    period.addEventListener("change", () => choose({ since: period.value ? now() - Number(period.value) : null }));
  }

  /**
   * @param {Map<Group, number>} counts
   * @param {string[]} tags
   * @param {Filter} filter
   * @param {import("./task-groups.js").Known} known
   */
  render(counts, tags, filter, known) {
    const all = sum(counts.values());
    const ended = sum(GROUPS.filter(isEndedGroup).map((group) => counts.get(group) ?? 0));
    const isWhole = GROUPS.every(known.group);
    setText(this.#part("summary"), summaryOf(counts, known));
    this.#part("partial").hidden = isWhole || ended === 0;
    setText(this.#part("partial"), `and the ${ended} newest that have ended`);
    const filled = GROUPS.filter((group) => counts.get(group));
    this.#part("aggregate").replaceChildren(
      ...filled.map((group) => {
        const share = h("span", { "data-group": group });
        share.style.setProperty("flex-grow", String(counts.get(group)));
        return share;
      }),
    );
    // A group of which nothing is loaded may still be searched for.
    const chosen = (/** @type {Group} */ group) =>
      group === filter.group || (isEndedGroup(group) && !known.group(group));
    const shown = GROUPS.filter((group) => counts.get(group) || chosen(group));
    this.#renderChips("groups", [
      this.#chip("", `All ${all}${isWhole ? "" : "+"}`, filter.group === "", () => this.#choose({ group: "" })),
      ...shown.map((group) =>
        this.#chip(group, chipWords(group, counts.get(group) ?? 0, known.group(group)), filter.group === group, () =>
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

  /** Show an empty filter. */
  reset() {
    clearTimeout(this.#typing);
    /** @type {HTMLInputElement} */ (this.#part("search")).value = "";
    /** @type {HTMLSelectElement} */ (this.#part("period")).value = "";
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
    const chip = h(
      "button",
      { type: "button", class: "chip", "aria-pressed": String(pressed) },
      ...dot,
      textElement("span", words),
    );
    chip.addEventListener("click", press);
    return chip;
  }
}

/**
 * @param {Group} group
 * @param {number} count
 * @param {boolean} isWhole whether all tasks of the group are counted
 */
function chipWords(group, count, isWhole) {
  if (isWhole) return `${GROUP_WORDS[group]} ${count}`;
  return count ? `${GROUP_WORDS[group]} ${count}+` : GROUP_WORDS[group];
}
