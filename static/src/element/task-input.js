// @ts-check
/** Loads what a task was started with, once for all views of a page that show it. */
import { Problem } from "../client/problem.js";
import { readInput } from "../client/task-calls.js";
import { allows } from "../client/token-claims.js";

/** @import { Access } from "../client/task-calls.js" */
/** @typedef {{input: Record<string, unknown>, files?: {input: string, filename: string}[]}} TaskInput */

/** @type {Map<string, Promise<TaskInput|null>>} */
const loading = new Map();

/**
 * Return the input of a task. The relay refuses it to most viewers.
 *
 * @param {Access} access
 * @returns {Promise<TaskInput|null>} null if the token does not allow it, or the relay does not have it
 */
export function taskInput(access) {
  if (!allows(access.token, "input")) return Promise.resolve(null);
  const key = JSON.stringify([access.base, access.task]);
  const found = loading.get(key) ?? readInput(access).catch(refused);
  loading.set(key, found);
  return found;
}

function refused(/** @type {unknown} */ error) {
  if (error instanceof Problem) return null;
  throw error;
}
