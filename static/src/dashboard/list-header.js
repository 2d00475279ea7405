// @ts-check
/** The header of the task list: a summary, a bar with the share of each group, and the filters. */
import { h, setText, textElement } from "../element/dom.js";
import { GROUP_LABELS, GROUPS, isEndedGroup, sum, summarize } from "./task-groups.js";

/** @import { Completeness, Filter, Group } from "./task-groups.js" */

/** A search starts this long after the last key. */
const TYPING_MS = 250;

export class ListHeader {
  #part;
  #onFilter;
  #search;
  #period;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #typing;

  /**
   * @param {(id: string) => HTMLElement} part
   * @param {(change: Partial<Filter>) => void} onFilter called when the reader changes a filter
   * @param {() => number} now the relay's clock
   */
  constructor(part, onFilter, now) {
    this.#part = part;
    this.#onFilter = onFilter;
    const search = /** @type {HTMLInputElement} */ (part("search"));
    search.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => onFilter({ text: search.value }), TYPING_MS);
    });
    const period = /** @type {HTMLSelectElement} */ (part("period"));
    period.addEventListener("change", () => onFilter({ since: period.value ? now() - Number(period.value) : null }));
    this.#search = search;
    this.#period = period;
  }

  /**
   * @param {Map<Group, number>} counts
   * @param {string[]} tags
   * @param {Filter} filter
   * @param {Completeness} complete
   */
  render(counts, tags, filter, complete) {
    const ended = sum(GROUPS.filter(isEndedGroup).map((group) => counts.get(group) ?? 0));
    const isComplete = GROUPS.every(complete.group);
    setText(this.#part("summary"), summarize(counts, complete));
    this.#part("partial").hidden = isComplete || ended === 0;
    setText(this.#part("partial"), `and the ${ended} most recently ended`);
    this.#renderShares(counts);
    this.#renderChips("groups", this.#groupChips(counts, filter, complete));
    this.#part("tags").hidden = tags.length === 0;
    const tagChips = tags.map((tag) =>
      this.#chip("", `#${tag}`, filter.tag === tag, { tag: filter.tag === tag ? "" : tag }),
    );
    this.#renderChips("tags", tagChips);
  }

  /** Show an empty filter. */
  reset() {
    clearTimeout(this.#typing);
    this.#search.value = "";
    this.#period.value = "";
  }

  #renderShares(/** @type {Map<Group, number>} */ counts) {
    const container = this.#part("aggregate");
    const shown = [...counts].join();
    if (container.dataset.shown === shown) return;
    container.dataset.shown = shown;
    const shares = GROUPS.filter((group) => counts.get(group)).map((group) => {
      const share = h("span", { "data-group": group });
      share.style.setProperty("flex-grow", String(counts.get(group)));
      return share;
    });
    container.replaceChildren(...shares);
  }

  /**
   * @param {Map<Group, number>} counts
   * @param {Filter} filter
   * @param {Completeness} complete
   */
  #groupChips(counts, filter, complete) {
    const all = `All ${sum(counts.values())}${GROUPS.every(complete.group) ? "" : "+"}`;
    // A group that is not loaded may contain tasks, so it can be chosen.
    const shown = GROUPS.filter(
      (group) => counts.get(group) || group === filter.group || (isEndedGroup(group) && !complete.group(group)),
    );
    return [
      this.#chip("", all, filter.group === "", { group: "" }),
      ...shown.map((group) => {
        const isChosen = filter.group === group;
        const label = groupLabel(group, counts.get(group) ?? 0, complete.group(group));
        return this.#chip(group, label, isChosen, { group: isChosen ? "" : group });
      }),
    ];
  }

  /** Replace the chips if they changed, and keep the focus on the one at the same position. */
  #renderChips(/** @type {string} */ id, /** @type {HTMLElement[]} */ chips) {
    const container = this.#part(id);
    const shown = chips.map((chip) => `${chip.textContent}${chip.getAttribute("aria-pressed")}`).join("\n");
    if (container.dataset.shown === shown) return;
    container.dataset.shown = shown;
    const { activeElement } = document;
    const focused = activeElement ? [...container.children].indexOf(activeElement) : -1;
    container.replaceChildren(...chips);
    if (focused >= 0) chips[focused]?.focus();
  }

  /**
   * @param {Group|""} group
   * @param {string} label
   * @param {boolean} isPressed
   * @param {Partial<Filter>} change what pressing it changes
   */
  #chip(group, label, isPressed, change) {
    const dot = group ? [h("span", { class: "dot", "data-group": group })] : [];
    const attributes = { type: "button", class: "chip", "aria-pressed": String(isPressed) };
    const chip = h("button", attributes, ...dot, textElement("span", label));
    chip.addEventListener("click", () => this.#onFilter(change));
    return chip;
  }
}

/**
 * @param {Group} group
 * @param {number} count
 * @param {boolean} isComplete whether all tasks of the group are counted
 */
function groupLabel(group, count, isComplete) {
  if (isComplete) return `${GROUP_LABELS[group]} ${count}`;
  return count ? `${GROUP_LABELS[group]} ${count}+` : GROUP_LABELS[group];
}
