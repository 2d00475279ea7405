// @ts-check
/** Applies the `accent` attribute of an element, and reports in the console what it had to change. */
import { accentFor, parseColor } from "./accent.js";

/** @import { Theme } from "./accent.js" */

/** Pages show many elements with the same accent: each message is logged once. */
const logged = new Set();

/**
 * Return the style sheet for an accent.
 *
 * @param {string} accent the attribute; empty for none
 * @param {string} theme the `theme` attribute: only the themes that can be seen are reported
 * @returns {CSSStyleSheet[]} empty without a valid accent
 */
export function accentSheets(accent, theme) {
  if (!accent) return [];
  const color = parseColor(accent);
  if (!color) {
    logOnce("warn", `accent must be a color such as #7a3ff2, not “${accent}”. The default accent is used.`);
    return [];
  }
  const [light, dark] = [accentFor(color, "light"), accentFor(color, "dark")];
  for (const [name, used] of /** @type {const} */ ([
    ["light", light],
    ["dark", dark],
  ])) {
    if (used.contrast < 4.5 && isSeen(name, theme)) {
      const given = `The accent ${accent} has a contrast of ${used.contrast.toFixed(1)}:1 in the ${name} theme`;
      logOnce("info", `${given}, and text needs 4.5:1. ${used.color} is used there instead.`);
    }
  }
  const sheet = new CSSStyleSheet();
  const properties = (/** @type {string} */ color, /** @type {string} */ onColor) =>
    `:host { --_accent: ${color}; --_on-accent: ${onColor}; }`;
  const both = properties(`light-dark(${light.color}, ${dark.color})`, `light-dark(${light.onColor}, ${dark.onColor})`);
  // Browsers without light-dark() show the light theme.
  sheet.replaceSync(`${properties(light.color, light.onColor)} @supports (color: light-dark(#fff, #000)) { ${both} }`);
  return [sheet];
}

function isSeen(/** @type {Theme} */ name, /** @type {string} */ theme) {
  return theme === name || (theme !== "light" && theme !== "dark");
}

/**
 * @param {"info"|"warn"} level
 * @param {string} message
 */
function logOnce(level, message) {
  if (logged.has(message)) return;
  logged.add(message);
  console[level](`relay-task: ${message}`);
}
