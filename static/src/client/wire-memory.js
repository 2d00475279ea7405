// @ts-check
/**
 * Remembers which wire works at a relay, so that the next page does not have to find out again. Only a wire other than
 * the best is written down, and not for long: the network may be another one soon.
 */

const KEPT_S = 600;

/** @type {Map<string, string>} for pages that have no storage */
const memory = new Map();

/**
 * @param {URL} base
 * @param {readonly import("./types.js").WireName[]} ladder the wires that may be used, the best first
 * @returns {import("./types.js").WireName} the one to begin with
 */
export function recallWire(base, ladder) {
  const [, name, until] = /^(\w+) (\d+)$/.exec(read(nameOf(base)) ?? "") ?? [];
  const left_s = Number(until) - Date.now() / 1000;
  const known = ladder.find((wire) => wire === name);
  return known && left_s > 0 && left_s <= KEPT_S ? known : ladder[0];
}

/**
 * @param {URL} base
 * @param {import("./types.js").WireName} name
 * @param {boolean} isBest there is nothing to remember
 */
export function rememberWire(base, name, isBest) {
  write(nameOf(base), isBest ? null : `${name} ${Math.floor(Date.now() / 1000) + KEPT_S}`);
}

function nameOf(/** @type {URL} */ base) {
  return `relay.wire ${base.href}`;
}

/** @returns {string|null} */
function read(/** @type {string} */ name) {
  try {
    return globalThis.localStorage?.getItem(name) ?? memory.get(name) ?? null;
  } catch (error) {
    if (error instanceof DOMException) return memory.get(name) ?? null; // a page without the right to store anything
    throw error;
  }
}

function write(/** @type {string} */ name, /** @type {string|null} */ value) {
  if (value === null) memory.delete(name);
  else memory.set(name, value);
  try {
    if (value === null) globalThis.localStorage?.removeItem(name);
    else globalThis.localStorage?.setItem(name, value);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // no right to store, or no room
  }
}
