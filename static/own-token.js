// @ts-check
/**
 * The operator's own token for a task: it may also cancel and read the input, so it is not in the address, which is what
 * people copy. It is kept for this tab, for an hour at a time.
 */
import { mint } from "./operator-calls.js";
import { Problem } from "./problem.js";
import { KEY, readSecret, writeSecret } from "./tab-store.js";

const SCOPE = "view cancel input";
const TTL_S = 3600;

const nameOf = (/** @type {string} */ task) => `relay.token.${task}`;

/** Mint a token for `task` and keep it. */
export async function mintOwnToken(/** @type {string} */ key, /** @type {string} */ task) {
  const { token } = await mint(key, task, SCOPE, TTL_S);
  writeSecret(nameOf(task), token);
  return token;
}

/** The token that is kept for `task`, empty where there is none. */
export function ownToken(/** @type {string} */ task) {
  return readSecret(nameOf(task));
}

/** A fresh one, as long as this tab is signed in; else empty, and nothing is kept. */
export async function renewOwnToken(/** @type {string} */ task) {
  writeSecret(nameOf(task), "");
  const key = readSecret(KEY);
  if (!key) return "";
  try {
    return await mintOwnToken(key, task);
  } catch (error) {
    if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) return "";
    throw error; // it passes: the caller asks again
  }
}
