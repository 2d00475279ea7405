// @ts-check
/** Draws the progress of a task as a ring in the page's icon. */

/** @import { State } from "../relay.js" */

const CIRCUMFERENCE = 2 * Math.PI * 12;
/** @type {Partial<Record<State, string>>} */
const COLORS = { succeeded: "#1f9d63", failed: "#d2382c", lost: "#d2382c", canceled: "#a86b10", held: "#a86b10" };

/**
 * @param {State} state
 * @param {number|null} percent null if it is unknown
 */
export function showIcon(state, percent) {
  const link = /** @type {HTMLLinkElement|null} */ (document.querySelector('link[rel="icon"]'));
  const href = iconFor(state, percent);
  if (link && link.href !== href) link.href = href;
}

/**
 * @param {State} state
 * @param {number|null} percent
 */
function iconFor(state, percent) {
  const color = COLORS[state] ?? "#4c68e0";
  const filled = state in COLORS && state !== "held" ? 100 : Math.floor(percent ?? 0);
  const length = ((CIRCUMFERENCE * filled) / 100).toFixed(1);
  const ring = (/** @type {string} */ stroke, /** @type {string} */ attributes) =>
    `<circle cx="16" cy="16" r="12" fill="none" stroke="${stroke}" stroke-width="6" ${attributes}/>`;
  const rings = ring("#8b93a355", "") + ring(color, `stroke-dasharray="${length} 100" transform="rotate(-90 16 16)"`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${rings}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
