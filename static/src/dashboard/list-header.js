// @ts-check
/** The head of the board: what needs attention, how today went, and the filters. */

import { GROUP_LABELS, GROUPS, sum } from "../board/task-groups.js";
import { h, setText, textElement } from "../element/dom.js";
import { periodFilter } from "./board-address.js";
import { countText } from "./task-counts.js";

/** @import { Part } from "./headline.js" */
/** @import { GroupCounts } from "./task-counts.js" */
/** @import { Filter, Group } from "../board/task-groups.js" */

/** A search starts this long after the last key. */
const TYPING_MS = 250;
/** With more tags than this, the search is the better way. */
const TAGS = 12;

export class ListHeader {
  #part;
  #onFilter;
  #search;
  #period;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #typing;

  /**
   * @param {(id: string) => HTMLElement} part
   * @param {(change: Partial<Filter>, isTyped: boolean) => void} onFilter called when the reader changes a filter
   * @param {() => number} now the relay's clock
   */
  constructor(part, onFilter, now) {
    this.#part = part;
    this.#onFilter = onFilter;
    const search = /** @type {HTMLInputElement} */ (part("search"));
    search.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => onFilter({ text: search.value }, true), TYPING_MS);
    });
    const period = /** @type {HTMLSelectElement} */ (part("period"));
    period.addEventListener("change", () => onFilter(periodFilter(Number(period.value), now()), false));
    this.#search = search;
    this.#period = period;
  }

  /**
   * @param {object} shown
   * @param {Part[]} shown.headline
   * @param {string} shown.today
   * @param {GroupCounts} shown.counts
   * @param {ReadonlySet<Group>} shown.limited the groups that may have more tasks than counted
   * @param {string[]} shown.tags
   * @param {Filter} shown.filter
   */
  render({ headline, today, counts, limited, tags, filter }) {
    this.#renderHeadline(headline);
    setText(this.#part("today"), today);
    const chosen = filter.group;
    const shown = GROUPS.filter((group) => counts.get(group) || group === chosen);
    this.#renderChips("groups", [
      this.#chip({ "data-group": "" }, "All", countText(sum(counts.values()), limited.size > 0), chosen === "", {
        group: "",
      }),
      ...shown.map((group) => {
        const change = { group: chosen === group ? /** @type {const} */ ("") : group };
        return this.#chip(
          { "data-group": group },
          GROUP_LABELS[group],
          countText(counts.get(group) ?? 0, limited.has(group)),
          chosen === group,
          change,
        );
      }),
    ]);
    const some = tags.slice(0, TAGS);
    if (filter.tag && !some.includes(filter.tag)) some.unshift(filter.tag);
    const chips = some.map((tag) =>
      this.#chip({}, `#${tag}`, null, filter.tag === tag, { tag: filter.tag === tag ? "" : tag }),
    );
    this.#renderChips("tags", chips);
  }

  /** Show a filter in the fields. */
  show(/** @type {Filter} */ { text, period_s }) {
    clearTimeout(this.#typing);
    this.#search.value = text;
    this.#period.value = period_s ? String(period_s) : "";
  }

  #renderHeadline(/** @type {Part[]} */ parts) {
    const container = this.#part("summary");
    const keys = parts.map(({ group }) => group).join();
    if (container.dataset.shown !== keys) {
      container.dataset.shown = keys;
      const spans = parts.map(({ group }) => h("span", group ? { "data-group": group } : {}));
      container.replaceChildren(...spans.flatMap((span, index) => (index ? [" · ", span] : [span])));
    }
    parts.forEach(({ text }, index) => {
      setText(container.children[index], text);
    });
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
    if (focused >= 0) chips[Math.min(focused, chips.length - 1)]?.focus();
  }

  /**
   * @param {Record<string, string>} attributes
   * @param {string} label
   * @param {string|null} count
   * @param {boolean} isPressed
   * @param {Partial<Filter>} change what pressing it changes
   */
  #chip(attributes, label, count, isPressed, change) {
    const dot = attributes["data-group"] ? [h("span", { class: "dot" })] : [];
    const number = count === null ? [] : [" ", textElement("b", count)];
    const all = { type: "button", class: "chip", "aria-pressed": String(isPressed), ...attributes };
    const chip = h("button", all, ...dot, textElement("span", label), ...number);
    chip.addEventListener("click", () => this.#onFilter(change, false));
    return chip;
  }
}
