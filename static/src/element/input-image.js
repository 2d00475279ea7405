// @ts-check
/** Reads from the input of a task what its results are compared with, and what shape they have. Pure. */
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

/** The inputs that state a size or a shape, such as `2048x1152`, `16:9` or `landscape_16_9`. */
const SHAPES = /^(?:(?:image|video|output)_?)?(?:size|resolution|ratio|aspect_?ratio)$/i;

/**
 * Return the width of the results divided by their height.
 *
 * @param {Record<string, unknown>} input
 * @returns {number|null} null if the input does not state it
 */
export function inputRatio(input) {
  const number = (/** @type {unknown} */ value) => Number(value) || 0;
  const stated = Object.entries(input).find(([name, value]) => SHAPES.test(name) && typeof value === "string");
  const found = /(\d+)\s*[x×:*_]\s*(\d+)/i.exec(String(stated?.[1] ?? ""));
  const [width, height] = found ? [number(found[1]), number(found[2])] : [number(input.width), number(input.height)];
  if (!width || !height) return /square/i.test(String(stated?.[1] ?? "")) ? 1 : null;
  const ratio = width / height;
  return ratio > 0.2 && ratio < 5 ? ratio : null;
}
