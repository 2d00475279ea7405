// @ts-check
/** The one picture that a task began with, out of its input. Pure. */
import { mediaUrl } from "./safe-url.js";

/**
 * @param {Record<string, unknown>} input
 * @returns {string|null} null where there is none, or where there are several: none of them is *the* picture before
 */
export function pictureOf(input) {
  const found = Object.entries(input)
    .filter(([name]) => /image/i.test(name))
    .flatMap(([, value]) => (Array.isArray(value) ? value : [value]))
    .map((value) => (typeof value === "string" ? mediaUrl(value) : null))
    .filter((address) => address !== null);
  return found.length === 1 ? found[0] : null;
}
