// @ts-check
/** Finds the input image of a task. Pure. */
import { mediaUrl } from "./safe-url.js";

/**
 * @param {Record<string, unknown>} input
 * @returns {string|null} the address of the image; null if there is none, or several to choose from
 */
export function inputImage(input) {
  const found = Object.entries(input)
    .filter(([name]) => /image/i.test(name))
    .flatMap(([, value]) => (Array.isArray(value) ? value : [value]))
    .map((value) => (typeof value === "string" ? mediaUrl(value) : null))
    .filter((address) => address !== null);
  return found.length === 1 ? found[0] : null;
}
