// @ts-check
/** Divides the time of a task into waiting, preparing and running, and compares it with what is usual. Pure. */

import { duration } from "../element/format.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { ListedTask } from "../dashboard/api.js" */

/**
 * @typedef {object} Times durations in seconds
 * @property {number} waited in the queues of the relay and of the platform
 * @property {number} prepared until the model started
 * @property {number} ran until the task ended
 * @property {number} total
 */

const PREPARING = new Set(["accept", "preprocess_start", "preprocess_end", "assign"]);
/** With fewer tasks, the median says little. */
const ENOUGH = 3;

/**
 * @param {Pick<Snapshot, "stages"|"created_at"|"ended_at">} task
 * @param {number} now
 * @returns {Times}
 */
export function timesOf({ stages, created_at, ended_at }, now) {
  const end = Math.max(created_at, ended_at ?? now);
  const within = (/** @type {number} */ at) => Math.min(end, Math.max(created_at, at));
  const first = (/** @type {(type: string) => boolean} */ matches) => {
    const at = stages.filter(({ type }) => matches(type)).map((mark) => mark.at);
    return at.length ? Math.min(...at) : end;
  };
  const started = within(first((type) => type === "start"));
  const prepared = Math.min(started, within(first((type) => PREPARING.has(type))));
  return {
    waited: prepared - created_at,
    prepared: started - prepared,
    ran: end - started,
    total: end - created_at,
  };
}

/** Return the key under which tasks are comparable. */
export function kindOf(/** @type {Pick<Snapshot, "provider"|"model">} */ { provider, model }) {
  return `${provider}:${model}`;
}

/**
 * Return the usual total time of each kind of task: the median of the tasks that have succeeded.
 *
 * @param {Iterable<Snapshot>} tasks
 * @returns {Map<string, number>} without the kinds that have too few tasks
 */
export function usualTimes(tasks) {
  /** @type {Map<string, number[]>} */
  const totals = new Map();
  for (const task of tasks) {
    if (task.state !== "succeeded" || task.ended_at === null) continue;
    const kind = kindOf(task);
    totals.set(kind, [...(totals.get(kind) ?? []), task.ended_at - task.created_at]);
  }
  const known = [...totals].filter(([, all]) => all.length >= ENOUGH);
  return new Map(known.map(([kind, all]) => [kind, median(all)]));
}

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1]) / 2;
}

/**
 * Return the parts of a bar, from 0 to 1 of its width, and where the usual time is. The whole bar is twice the usual time,
 * or the time of a task that takes longer, or of one whose usual time is not known.
 *
 * @param {Times} times
 * @param {number|null} usual_s
 */
export function barParts({ waited, prepared, total }, usual_s) {
  const whole = Math.max(total, 2 * (usual_s ?? 0), 0.001);
  const [first, second] = [waited / whole, prepared / whole];
  const usual = usual_s === null ? null : usual_s / whole;
  return { waited: first, prepared: second, ran: Math.max(0, total / whole - first - second), usual };
}

/** Return how long an open task is expected to take in all; null if the relay has no estimate. */
export function expectedTotal_s(/** @type {ListedTask} */ { created_at, done, eta }) {
  return done || !eta ? null : eta.at - created_at + eta.p50_s;
}

/**
 * Return how long an open task still needs, as text; empty if that is not known.
 *
 * @param {ListedTask} task
 * @param {number} now
 */
export function remainingText({ done, eta }, now) {
  if (done || !eta) return "";
  const passed_s = Math.max(0, now - eta.at);
  if (passed_s > eta.p90_s) return "longer than usual";
  return passed_s < eta.p50_s ? `${duration(eta.p50_s - passed_s)} left` : "almost done";
}
