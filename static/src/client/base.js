// @ts-check
/** Where a relay is: the address that every call to it begins with. It may have a path: `https://example.com/relay/`. */

/** The relay that this module came from: right on its own pages, and on those that load its element. */
export const DEFAULT_BASE = new URL("../../../", import.meta.url).href;

/** Read an address of a relay as somebody wrote it: relative to the page, with a slash at its end or without. */
export function baseUrl(/** @type {string} */ base) {
  return new URL(base.endsWith("/") ? base : `${base}/`, globalThis.location?.href);
}

/**
 * The origin that this page has for the relay, as in the header `Origin`; empty outside a browser. In an
 * `<iframe sandbox>` it is `null`, while `location.origin` still names the site that the page was loaded from.
 *
 * @returns {string}
 */
export function pageOrigin() {
  return globalThis.origin ?? "";
}
