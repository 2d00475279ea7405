// @ts-check
/** Keeps the filter of the board in the query of its address, so that a link shares it. Pure. */
import { GROUPS, NO_FILTER } from "../board/task-groups.js";

/** @import { Filter, Group } from "../board/task-groups.js" */

/** The periods that the board offers, in seconds. */
const PERIODS_S = [3600, 86_400, 604_800, 2_592_000];

/**
 * @param {string} query as in `location.search`
 * @param {number} now unix seconds of the relay's clock
 * @returns {Filter} without what the query has wrong
 */
export function filterFromQuery(query, now) {
  const given = new URLSearchParams(query);
  const group = /** @type {Group} */ (given.get("group") ?? "");
  const period_s = Number(given.get("period"));
  return {
    ...NO_FILTER,
    group: GROUPS.includes(group) ? group : "",
    tag: given.get("tag") ?? "",
    text: given.get("q") ?? "",
    ...periodFilter(PERIODS_S.includes(period_s) ? period_s : 0, now),
  };
}

/**
 * @param {number} period_s
 * @param {number} now
 */
export function periodFilter(period_s, now) {
  return { period_s, since: period_s ? now - period_s : null };
}

/**
 * @param {Filter} filter
 * @param {string} query other parameters of it are kept
 * @returns {string} with `?`, or empty
 */
export function queryFromFilter({ group, tag, text, period_s }, query) {
  const kept = new URLSearchParams(query);
  const values = { group, tag, q: text.trim(), period: period_s ? String(period_s) : "" };
  for (const [name, value] of Object.entries(values)) {
    if (value) kept.set(name, value);
    else kept.delete(name);
  }
  return kept.toString() ? `?${kept}` : "";
}
