// @ts-check
/**
 * Derives readable colors from an accent color: one for the light theme and one for the dark one. Pure.
 *
 * Text in the accent color needs a contrast of 4.5 : 1, also on its own tint (WCAG 2.2, success criterion 1.4.3).
 */

/** @typedef {readonly [red: number, green: number, blue: number]} Color each from 0 to 255 */
/** @typedef {"light"|"dark"} Theme */
/** @typedef {{color: string, onColor: string, contrast: number}} Accent `contrast` is that of the color as given */

const LEAST_CONTRAST = 4.5;
/** The share of the accent in the background of a label in the accent color (theme.css). */
const TINT = 0.11;
const STEP = 0.02;

/** @type {Color} */
const BLACK = [0, 0, 0];
/** @type {Color} */
const WHITE = [255, 255, 255];
/** The surfaces of theme.css. @type {Record<Theme, Color>} */
const SURFACES = { light: WHITE, dark: [21, 24, 30] };

/**
 * Parse `#rgb` or `#rrggbb`. The `#` may be missing, since it would begin the fragment of an address.
 *
 * @param {string} text
 * @returns {Color|null} null if it is not such a color
 */
export function parseColor(text) {
  const digits = /^#?([\da-f]{3}|[\da-f]{6})$/i.exec(text.trim())?.[1];
  if (!digits) return null;
  const pairs = digits.length === 3 ? [...digits].map((digit) => digit + digit) : (digits.match(/../g) ?? []);
  const [red, green, blue] = pairs.map((pair) => Number.parseInt(pair, 16));
  return [red, green, blue];
}

/**
 * Return the accent for a theme: the color itself if it is readable, otherwise the nearest darker or lighter one.
 *
 * @param {Color} color
 * @param {Theme} theme
 * @returns {Accent}
 */
export function accentFor(color, theme) {
  const surface = SURFACES[theme];
  const readable = (/** @type {Color} */ one) => contrast(one, mix(surface, one, TINT));
  let adjusted = color;
  for (let share = STEP; readable(adjusted) < LEAST_CONTRAST; share += STEP) {
    adjusted = mix(color, theme === "light" ? BLACK : WHITE, share);
  }
  const onColor = contrast(WHITE, adjusted) >= contrast(BLACK, adjusted) ? WHITE : BLACK;
  return { color: hex(adjusted), onColor: hex(onColor), contrast: readable(color) };
}

/** Return the contrast of two colors, from 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio. */
export function contrast(/** @type {Color} */ one, /** @type {Color} */ other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(/** @type {Color} */ color) {
  const [red, green, blue] = color.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * @param {Color} one
 * @param {Color} other
 * @param {number} share of the other, from 0 to 1
 * @returns {Color}
 */
function mix(one, other, share) {
  const part = (/** @type {number} */ index) =>
    Math.round(one[index] + (other[index] - one[index]) * Math.min(1, share));
  return [part(0), part(1), part(2)];
}

function hex(/** @type {Color} */ color) {
  return `#${color.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
