// @ts-check
/** Where a relay is: the address that every call to it begins with. */

/** The relay that this module came from: right on its own pages, and on those that load its element. */
export const DEFAULT_BASE = new URL("../", import.meta.url).href;

/** Read an address of a relay as somebody wrote it: relative to the page, with a slash at its end or without. */
export function baseUrl(/** @type {string} */ base) {
  return new URL(base.endsWith("/") ? base : `${base}/`, globalThis.location?.href);
}
