// @ts-check
/** Announces to screen readers what needs attention and what has ended, in one sentence for all changes of some seconds. */

import { GROUP_LABELS, GROUPS } from "../board/task-groups.js";
import { setText } from "../element/dom.js";

/** @import { Group } from "../board/task-groups.js" */

const INTERVAL_MS = 5000;
/** Changes to these groups are announced. @type {ReadonlySet<Group>} */
const ANNOUNCED = new Set(["stuck", "quiet", "succeeded", "failed", "canceled"]);

export class Announcer {
  #element;
  /** @type {Map<Group, string[]>} the titles of the tasks that have joined each group */
  #changes = new Map();
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {HTMLElement} element a live region */
  constructor(element) {
    this.#element = element;
  }

  /** Note that a task has joined a group. */
  add(/** @type {Group} */ group, /** @type {string} */ title) {
    if (!ANNOUNCED.has(group)) return;
    this.#changes.set(group, [...(this.#changes.get(group) ?? []), title]);
    this.#timer ??= setTimeout(() => this.#announce(), INTERVAL_MS);
  }

  reset() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changes.clear();
    setText(this.#element, "");
  }

  #announce() {
    this.#timer = undefined;
    this.#element.textContent = announcement(this.#changes);
    this.#changes.clear();
  }
}

/**
 * Return `Failed: A red fox. Succeeded: 12 tasks.`
 *
 * @param {ReadonlyMap<Group, readonly string[]>} changes
 */
export function announcement(changes) {
  const parts = GROUPS.map((group) => {
    const titles = changes.get(group) ?? [];
    if (!titles.length) return "";
    return `${GROUP_LABELS[group]}: ${titles.length === 1 ? titles[0] : `${titles.length} tasks`}.`;
  });
  return parts.filter(Boolean).join(" ");
}
