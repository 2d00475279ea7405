// @ts-check
/** The relay's base address, which every request starts with. It may have a path: `https://example.com/relay/`. */

/** The relay that served this module. */
export const DEFAULT_BASE = new URL("../../../", import.meta.url).href;

/** Parse a base address, which may be relative to the page and may lack the slash at its end. */
export function baseUrl(/** @type {string} */ base) {
  return new URL(base.endsWith("/") ? base : `${base}/`, globalThis.location?.href);
}

/**
 * Return the page's origin as the browser sends it in the `Origin` header; empty outside a browser. In an
 * `<iframe sandbox>` it is `null`, although `location.origin` names the site that the page was loaded from.
 *
 * @returns {string}
 */
export function pageOrigin() {
  return globalThis.origin ?? "";
}
