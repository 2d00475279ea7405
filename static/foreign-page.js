// @ts-check
/** Tells a relay that is away from one that does not let this page in: a browser shows both as a lost connection. */
import { baseUrl } from "./base.js";

/**
 * @param {string} base where the relay is
 * @returns {Promise<boolean>} whether it is there and does not allow this page's origin
 */
export async function isForeignPage(base) {
  const url = new URL("livez", baseUrl(base));
  if (url.origin === location.origin) return false;
  const answers = (/** @type {RequestMode} */ mode) =>
    fetch(url, { mode, cache: "no-store", credentials: "omit" }).then(
      () => true,
      () => false,
    );
  return !(await answers("cors")) && answers("no-cors");
}
