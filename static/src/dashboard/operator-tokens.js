// @ts-check
/**
 * The tokens of one task for its operator. The one in the address can only watch, and lives for an hour: addresses are
 * copied, kept in the history and synced. What is worth more is kept for this tab: a token that may also cancel and read
 * the input, for an hour at a time, and the token of the link that the operator hands out.
 */
import { expiryOf } from "../client/credential.js";
import { Problem } from "../client/problem.js";
import { mint } from "./operator-calls.js";
import { forgetSecrets, KEY, readSecret, writeSecret } from "./tab-store.js";

const SCOPE = "view cancel input";
const TTL_S = 3600;

const nameOf = (/** @type {string} */ task) => `relay.token.${task}`;
const shareNameOf = (/** @type {string} */ task) => `relay.share.${task}`;

/**
 * Mint all of them.
 *
 * @param {string} key
 * @param {string} task
 * @returns {Promise<string>} the one for the address
 */
export async function mintForPage(key, task) {
  const [{ token }, share] = await Promise.all([
    mint(key, task, "view", TTL_S),
    mint(key, task, "view"),
    mintOwnToken(key, task),
  ]);
  writeSecret(shareNameOf(task), share.token);
  return token;
}

/** The token of the link to hand out, empty where there is none that still lives. */
export function shareToken(/** @type {string} */ task) {
  const token = readSecret(shareNameOf(task));
  return (expiryOf(token) ?? 0) > Date.now() / 1000 ? token : "";
}

/** Keep none of them any longer. */
export function forgetTokens() {
  forgetSecrets(/^relay\.(token|share)\./);
}

/** Mint the operator's token for `task` and keep it. */
async function mintOwnToken(/** @type {string} */ key, /** @type {string} */ task) {
  const { token } = await mint(key, task, SCOPE, TTL_S);
  writeSecret(nameOf(task), token);
  return token;
}

/** The operator's token for `task`, empty where there is none. */
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
