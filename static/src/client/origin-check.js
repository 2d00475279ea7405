// @ts-check
/** Tells a relay that is away from one that does not let this page in: a browser shows both as a lost connection. */
import { baseUrl, pageOrigin } from "./base.js";

/**
 * Why a relay at `base` shows nothing here, although it is there; empty where that is not the reason.
 *
 * @param {string} base
 * @returns {Promise<string>}
 */
export async function foreignReason(base) {
  if (!(await isForeignPage(base))) return "";
  const origin = pageOrigin();
  if (origin === "null") {
    return (
      "this page has no origin of its own (“null”), as in an <iframe sandbox>, and the relay does not allow that; " +
      "add allow-same-origin to the sandbox attribute"
    );
  }
  return `the relay does not know the pages of ${origin}; its operator can allow them (RELAY_ALLOWED_ORIGINS)`;
}

/**
 * @param {string} base where the relay is
 * @returns {Promise<boolean>} whether it is there and does not allow this page's origin
 */
async function isForeignPage(base) {
  const url = new URL("livez", baseUrl(base));
  if (url.origin === pageOrigin()) return false;
  const answers = (/** @type {RequestMode} */ mode) =>
    fetch(url, { mode, cache: "no-store", credentials: "omit" }).then(
      () => true,
      () => false,
    );
  return !(await answers("cors")) && answers("no-cors");
}
