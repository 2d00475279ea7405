// @ts-check
/** The page's icon as a ring that fills: how far a task is, in a tab that nobody looks at. */

const ROUND = 2 * Math.PI * 12;
/** @type {Record<string, string>} */
const COLOURS = { succeeded: "#1f9d63", failed: "#d2382c", lost: "#d2382c", canceled: "#a86b10", held: "#a86b10" };

/**
 * @param {import("../src/client/types.js").State} state
 * @param {number|null} percent null where nobody knows
 */
export function showIcon(state, percent) {
  const link = /** @type {HTMLLinkElement|null} */ (document.querySelector('link[rel="icon"]'));
  const href = iconOf(state, percent);
  if (link && link.href !== href) link.href = href;
}

/**
 * @param {import("../src/client/types.js").State} state
 * @param {number|null} percent
 */
export function iconOf(state, percent) {
  const colour = COLOURS[state] ?? "#4c68e0";
  const whole = state in COLOURS && state !== "held" ? 100 : Math.floor(percent ?? 0);
  const drawn = ((ROUND * whole) / 100).toFixed(1);
  const ring = (/** @type {string} */ stroke, /** @type {string} */ dash) =>
    `<circle cx="16" cy="16" r="12" fill="none" stroke="${stroke}" stroke-width="6" ${dash}/>`;
  const dash = `stroke-dasharray="${drawn} 100" transform="rotate(-90 16 16)"`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${ring("#8b93a355", "")}${ring(colour, dash)}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
