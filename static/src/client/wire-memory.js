// @ts-check
/**
 * Remembers which wire works at a relay, so that the next page need not find out again. Only a wire other than the
 * preferred one is stored, and only for ten minutes: the next network may block something else.
 */

/** @import { WireName } from "../../relay.js" */

const KEPT_S = 600;

/** @type {Map<string, string>} for pages that have no storage */
const memory = new Map();

/**
 * @param {URL} base
 * @param {readonly WireName[]} names the wires that may be used, the preferred one first
 * @returns {WireName} the one to start with
 */
export function recallWire(base, names) {
  const [, name, until] = /^(\w+) (\d+)$/.exec(read(itemName(base)) ?? "") ?? [];
  const left_s = Number(until) - Date.now() / 1000;
  const known = names.find((wire) => wire === name);
  return known && left_s > 0 && left_s <= KEPT_S ? known : names[0];
}

/**
 * @param {URL} base
 * @param {WireName} name
 * @param {boolean} isPreferred then there is nothing to remember
 */
export function rememberWire(base, name, isPreferred) {
  write(itemName(base), isPreferred ? null : `${name} ${Math.floor(Date.now() / 1000) + KEPT_S}`);
}

function itemName(/** @type {URL} */ base) {
  return `relay.wire ${base.href}`;
}

/** @returns {string|null} */
function read(/** @type {string} */ name) {
  try {
    return globalThis.localStorage?.getItem(name) ?? memory.get(name) ?? null;
  } catch (error) {
    if (error instanceof DOMException) return memory.get(name) ?? null; // storage is forbidden
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
    if (!(error instanceof DOMException)) throw error; // storage is forbidden or full
  }
}
