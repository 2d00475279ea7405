// @ts-check
/** Turns the statistics of a model into what its charts show, with an entry for each day of the period. Pure. */

/** @import { Bucket } from "./chart-data.js" */
/** @import { DaySummary, ModelSummary, Quantiles, Summary, UnitCost } from "./stats.js" */

/** @typedef {{at: number, summary: DaySummary|null}} Day `at` is where it begins, in unix seconds */

const DAY_S = 86_400;

/**
 * Return all days of the period, oldest first.
 *
 * @param {DaySummary[]} perDay
 * @param {number} count of days, with today
 * @param {number} now unix seconds
 * @returns {Day[]} those on which no task ended have no summary
 */
export function daysOf(perDay, count, now) {
  const known = new Map(perDay.map((summary) => [summary.date, summary]));
  const today = Math.floor(now / DAY_S) * DAY_S;
  return Array.from({ length: count }, (_, index) => {
    const at = today - (count - 1 - index) * DAY_S;
    return { at, summary: known.get(new Date(at * 1000).toISOString().slice(0, 10)) ?? null };
  });
}

/** @returns {Bucket[]} */
export function bucketsOf(/** @type {Day[]} */ days) {
  return days.map(({ at, summary }) => {
    const { succeeded, failed, canceled, lost } = summary?.verdicts ?? {
      succeeded: 0,
      failed: 0,
      canceled: 0,
      lost: 0,
    };
    return { at, succeeded, failed: failed + lost, canceled };
  });
}

/**
 * @param {Day[]} days
 * @param {"queue"|"run"} measure
 * @returns {{at: number, times: Quantiles|null}[]}
 */
export function timesPerDay(days, measure) {
  return days.map(({ at, summary }) => ({ at, times: summary?.[measure] ?? null }));
}

/**
 * Return what tasks cost in one unit.
 *
 * @param {Summary|null} summary
 * @param {"usd"|"credits"} unit
 */
export function costOn(summary, unit) {
  return summary?.cost.find((each) => each.unit === unit)?.total ?? 0;
}

/**
 * Add up the models: how many tasks there were, how many of those that were not canceled succeeded, and their cost.
 *
 * @param {ModelSummary[]} models
 * @returns {Pick<Summary, "count"|"success_rate"> & {cost: Pick<UnitCost, "unit"|"total">[]}}
 */
export function totalOf(models) {
  const add = (/** @type {(model: ModelSummary) => number} */ value) =>
    models.reduce((sum, model) => sum + value(model), 0);
  const judged = add(({ count, verdicts }) => count - verdicts.canceled);
  const units = /** @type {const} */ (["usd", "credits"]);
  return {
    count: add(({ count }) => count),
    success_rate: judged ? add(({ verdicts }) => verdicts.succeeded) / judged : null,
    cost: units
      .filter((unit) => models.some(({ cost }) => cost.some((each) => each.unit === unit)))
      .map((unit) => ({ unit, total: add((model) => costOn(model, unit)) })),
  };
}
