// @ts-check
/**
 * Keeps secrets for this tab: in its session storage, or only until the next page load if the browser forbids storage,
 * as Chrome does when all cookies are blocked.
 */

/** The name of the dashboard's API key. */
export const KEY = "relay.key";

/** @type {Map<string, string>} used if the browser forbids storage */
const memory = new Map();

/**
 * @param {string} name
 * @returns {string} empty if there is none
 */
export function readSecret(name) {
  const storage = tabStorage();
  return (storage ? storage.getItem(name) : memory.get(name)) ?? "";
}

/**
 * @param {string} name
 * @param {string} secret an empty string deletes it
 */
export function writeSecret(name, secret) {
  const storage = tabStorage();
  if (!storage) memory.set(name, secret);
  else if (secret) storage.setItem(name, secret);
  else storage.removeItem(name);
}

/** Delete all secrets whose names match. */
export function forgetSecrets(/** @type {RegExp} */ names) {
  for (const name of [...Object.keys(tabStorage() ?? {}), ...memory.keys()]) {
    if (names.test(name)) writeSecret(name, "");
  }
}

/** @returns {Storage|null} null if the browser forbids it */
function tabStorage() {
  try {
    return globalThis.sessionStorage;
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
