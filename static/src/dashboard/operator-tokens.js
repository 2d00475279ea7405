// @ts-check
/**
 * The operator's tokens for a task. The token in a page's address can only view and lasts an hour, because addresses are
 * copied, kept in the history and synced. Two more tokens are kept for this tab: one that can also cancel the task and
 * read its input, renewed every hour, and the one in the link that the operator shares.
 */
import { Problem } from "../client/problem.js";
import { expiryOf } from "../client/token-claims.js";
import { Api } from "./api.js";
import { forgetSecrets, KEY, readSecret, writeSecret } from "./tab-store.js";

const OPERATOR_SCOPE = "view cancel input";
const READER_SCOPE = "view input"; // if the role of the API key does not allow to cancel
const TTL_S = 3600;

const operatorItem = (/** @type {string} */ task) => `relay.token.${task}`;
const shareItem = (/** @type {string} */ task) => `relay.share.${task}`;

/**
 * Create all three tokens of a task and store two of them.
 *
 * @param {string} key
 * @param {string} task
 * @returns {Promise<string>} the token for the address
 */
export async function createPageTokens(key, task) {
  const api = new Api(key);
  const [{ token }, share] = await Promise.all([
    api.createToken(task, "view", TTL_S),
    api.createToken(task, "view"),
    createOperatorToken(key, task),
  ]);
  writeSecret(shareItem(task), share.token);
  return token;
}

/**
 * Open a task's page. The token in its address can only view; the one with a wider scope stays in this tab.
 *
 * @param {string} key
 * @param {string} task
 */
export async function openTask(key, task) {
  const token = await createPageTokens(key, task);
  location.assign(`t/${encodeURIComponent(task)}#token=${token}`);
}

/** Return the token for the link to share; empty if there is none or it has expired. */
export function shareToken(/** @type {string} */ task) {
  const token = readSecret(shareItem(task));
  return (expiryOf(token) ?? 0) > Date.now() / 1000 ? token : "";
}

/** Delete all stored tokens. */
export function forgetTokens() {
  forgetSecrets(/^relay\.(token|share)\./);
}

/** Return the operator's token for a task; empty if there is none. */
export function operatorToken(/** @type {string} */ task) {
  return readSecret(operatorItem(task));
}

/** Create and return a fresh token, if this tab is signed in. Otherwise delete the token and return an empty string. */
export async function renewOperatorToken(/** @type {string} */ task) {
  writeSecret(operatorItem(task), "");
  const key = readSecret(KEY);
  if (!key) return "";
  try {
    return await createOperatorToken(key, task);
  } catch (error) {
    if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) return "";
    throw error; // temporary: the caller tries again
  }
}

async function createOperatorToken(/** @type {string} */ key, /** @type {string} */ task) {
  const api = new Api(key);
  const { token } = await api.createToken(task, OPERATOR_SCOPE, TTL_S).catch((error) => {
    if (error instanceof Problem && error.status === 403) return api.createToken(task, READER_SCOPE, TTL_S);
    throw error;
  });
  writeSecret(operatorItem(task), token);
  return token;
}
