// @ts-check
/** Keeps what the page of insights shows in the query of its address, so that a link shares it. Pure. */

/** @import { ModelSummary } from "./stats.js" */

/** @typedef {{days: number, provider: string, model: string}} Selection `provider` and `model` are empty for all */

/** The periods that the page offers, in days, with today. */
export const PERIODS = [1, 7, 30, 90];
const DEFAULT_DAYS = 30;

/**
 * @param {string} query as in `location.search`
 * @returns {Selection} without what the query has wrong
 */
export function selectionFromQuery(query) {
  const given = new URLSearchParams(query);
  const days = Number(given.get("days"));
  return {
    days: PERIODS.includes(days) ? days : DEFAULT_DAYS,
    provider: given.get("provider") ?? "",
    model: (given.get("model") ?? "").toLowerCase(),
  };
}

/** @returns {string} with `?`, or empty */
export function queryFromSelection(/** @type {Selection} */ { days, provider, model }) {
  const query = new URLSearchParams();
  if (days !== DEFAULT_DAYS) query.set("days", String(days));
  if (provider) query.set("provider", provider);
  if (model) query.set("model", model);
  return query.size ? `?${query}` : "";
}

/**
 * @param {ModelSummary[]} models
 * @param {Selection} selection
 */
export function selected(models, { provider, model }) {
  return models.filter((each) => (!provider || each.provider === provider) && (!model || each.model === model));
}
