// @ts-check
/**
 * The frame for other pages, `/embed/{id}?theme=…&accent=…&lang=…&compact=1&notify=1#token=…`: only the element.
 *
 * It tells the page around it its preferred height: `{type: "relay-height", height_px}`. Any page may receive that; the
 * frame accepts no messages.
 */

import { queryValue } from "./address.js";
import { showPage } from "./styles.js";
import { showTask } from "./task-page.js";

showPage();

const container = /** @type {HTMLElement} */ (document.getElementById("place"));
const isOn = (/** @type {string} */ name) => /^(1|true)$/.test(queryValue(name));
/** @type {Record<string, string>} */
const attributes = {};
// early.js applies the theme to the whole frame; the element only reports what does not fit it.
for (const name of ["theme", "accent", "lang"]) if (queryValue(name)) attributes[name] = queryValue(name);
for (const name of ["compact", "notify"]) if (isOn(name)) attributes[name] = "";

if (attributes.lang) document.documentElement.lang = attributes.lang;

let sentHeight_px = 0;
new ResizeObserver(() => {
  const height_px = Math.ceil(container.getBoundingClientRect().height);
  if (height_px === sentHeight_px || parent === window || isLoading()) return;
  sentHeight_px = height_px;
  parent.postMessage({ type: "relay-height", height_px }, "*");
}).observe(container);
showTask(container, undefined, attributes);

/** Return whether the card is still empty: the page around it would first shrink to the height of that. */
function isLoading() {
  const root = container.querySelector("relay-task")?.shadowRoot;
  return root?.querySelector('[data-is="loading"]:not([hidden])') != null;
}
