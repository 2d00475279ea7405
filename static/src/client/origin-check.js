// @ts-check
/** Tells an unreachable relay from one that does not allow the page's origin. To a page, both look like network errors. */
import { baseUrl, pageOrigin } from "./base.js";

/**
 * Explain why a page cannot use a relay that is reachable.
 *
 * @param {string} base
 * @returns {Promise<string>} empty if the page's origin is not the reason
 */
export async function originProblem(base) {
  if (!(await isOriginRefused(base))) return "";
  const origin = pageOrigin();
  if (origin === "null") {
    return (
      "this page has no origin (“null”), as in an <iframe sandbox>, and the relay does not allow that; " +
      "add allow-same-origin to the sandbox attribute"
    );
  }
  return `the relay does not allow pages of ${origin}; its operator can add the origin to RELAY_ALLOWED_ORIGINS`;
}

/**
 * @param {string} base
 * @returns {Promise<boolean>} whether the relay is reachable but does not allow this page's origin
 */
async function isOriginRefused(base) {
  const url = new URL("livez", baseUrl(base));
  if (url.origin === pageOrigin()) return false;
  const responds = (/** @type {RequestMode} */ mode) =>
    fetch(url, { mode, cache: "no-store", credentials: "omit" }).then(
      () => true,
      () => false,
    );
  return !(await responds("cors")) && responds("no-cors");
}
