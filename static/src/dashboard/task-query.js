// @ts-check
/**
 * What the board asks the relay's list for. Pure.
 *
 * @typedef {import("./task-groups.js").Filter} Filter
 * @typedef {import("./task-groups.js").Group} Group
 * @typedef {import("../client/types.js").State} State
 */
import { isEndedGroup } from "./task-groups.js";

/** @type {readonly State[]} */
export const OPEN_STATES = ["submitting", "held", "queued", "preparing", "running", "finishing"];

/** @type {readonly State[]} */
const ENDED_STATES = ["succeeded", "failed", "canceled", "lost"];

/**
 * Return the states of ended tasks that a filter shows: all of them where it shows a group of open tasks.
 *
 * @param {Group|""} group
 * @returns {readonly State[]}
 */
export function endedStates(group) {
  if (group === "failed") return ["failed", "lost"];
  return isEndedGroup(group) ? [/** @type {State} */ (group)] : ENDED_STATES;
}

/**
 * @param {Filter} filter
 * @param {readonly State[]} states any of them
 * @param {number} limit
 * @param {string|null} cursor `next` of the page before
 */
export function queryOf({ tag, text, since }, states, limit, cursor) {
  const query = new URLSearchParams(states.map((state) => ["state", state]));
  if (tag) query.set("tag", tag);
  if (text.trim()) query.set("q", text.trim());
  if (since !== null) query.set("since", String(since));
  query.set("limit", String(limit));
  if (cursor !== null) query.set("cursor", cursor);
  return query;
}
