// @ts-check
/** Builds queries for the relay's task list. Pure. */

/** @import { State } from "../../relay.js" */
/** @import { Filter, Group } from "../board/task-groups.js" */

/** @type {readonly State[]} */
export const OPEN_STATES = ["submitting", "held", "queued", "preparing", "running", "finishing"];

/** @type {readonly State[]} */
const ENDED_STATES = ["succeeded", "failed", "canceled", "lost"];

/**
 * Return the states of the ended tasks in a group; all of them for a group of open tasks.
 *
 * @param {Group|""} group
 * @returns {readonly State[]}
 */
export function endedStates(group) {
  if (group === "failed") return ["failed", "lost"];
  return group === "succeeded" || group === "canceled" ? [group] : ENDED_STATES;
}

/**
 * Return the query for a filter. Of open tasks, the relay lists the stalled ones first: there may be too many for all.
 *
 * @param {Filter} filter
 * @param {readonly State[]} states matches any of them; all states if empty
 * @param {number|null} [limit]
 * @param {string|null} [cursor] `next` of the previous page
 */
export function listQuery({ tag, text, since }, states, limit = null, cursor = null) {
  const query = new URLSearchParams(states.map((state) => ["state", state]));
  if (tag) query.set("tag", tag);
  if (text.trim()) query.set("q", text.trim());
  if (since !== null) query.set("since", String(since));
  if (states === OPEN_STATES) query.set("order", "attention");
  if (limit !== null) query.set("limit", String(limit));
  if (cursor !== null) query.set("cursor", cursor);
  return query;
}
