// @ts-check
/**
 * Keeps secrets for this tab: in its session storage, or only until the next load where the browser forbids storage
 * (Chrome does when all cookies are blocked).
 */

/** The name of the board's API key. */
export const KEY = "relay.key";

/** @type {Map<string, string>} where the browser forbids storage */
const unstored = new Map();

/**
 * @param {string} name
 * @returns {string} empty where there is none
 */
export function readSecret(name) {
  const storage = tabStorage();
  return (storage ? storage.getItem(name) : unstored.get(name)) ?? "";
}

/**
 * @param {string} name
 * @param {string} secret empty to forget it
 */
export function writeSecret(name, secret) {
  const storage = tabStorage();
  if (!storage) unstored.set(name, secret);
  else if (secret) storage.setItem(name, secret);
  else storage.removeItem(name);
}

/** Forget all secrets whose names match. */
export function forgetSecrets(/** @type {RegExp} */ names) {
  for (const name of [...Object.keys(tabStorage() ?? {}), ...unstored.keys()]) {
    if (names.test(name)) writeSecret(name, "");
  }
}

/** @returns {Storage|null} null where the browser forbids it */
function tabStorage() {
  try {
    return globalThis.sessionStorage;
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
