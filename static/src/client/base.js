// @ts-check
/** The relay's base address, which every request starts with. It may have a path: `https://example.com/relay/`. */

/**
 * The relay that served this module. Empty if another server did, as for an application that bundles the module.
 *
 * Bundlers would include what `new URL(…, import.meta.url)` names as a file.
 */
export const DEFAULT_BASE =
  /^(https?:.*\/)static\/(?:dist\/\w+\.\w+|relay@[\d.]+|src\/client\/base)\.js$/.exec(import.meta.url)?.[1] ?? "";

/** Why a client cannot start without a base address. */
export const MISSING_BASE =
  "the relay's address is missing: set `base`, because this script was not loaded from a relay";

/**
 * Parse a base address, which may be relative to the page and may lack the slash at its end.
 *
 * @param {string} base
 * @throws {TypeError} if it is empty
 */
export function baseUrl(base) {
  if (!base) throw new TypeError(MISSING_BASE);
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
