// @ts-check
/**
 * The frame for other pages, `/embed/{id}?theme=…&accent=…&compact=1&notify=1#token=…`: only the element.
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
for (const name of ["theme", "accent"]) if (queryValue(name)) attributes[name] = queryValue(name);
for (const name of ["compact", "notify"]) if (isOn(name)) attributes[name] = "";

let sentHeight_px = 0;
const observer = new ResizeObserver(() => {
  const height_px = Math.ceil(container.getBoundingClientRect().height);
  if (height_px === sentHeight_px || parent === window) return;
  sentHeight_px = height_px;
  parent.postMessage({ type: "relay-height", height_px }, "*");
});

showTask(container, undefined, attributes);
// Not earlier: the page around would first shrink to the height of an empty card. The element renders in the next frame.
container.addEventListener("relay-update", function begin({ detail }) {
  if (!detail.state && detail.connection !== "refused") return;
  container.removeEventListener("relay-update", begin);
  requestAnimationFrame(() => observer.observe(container));
});
if (!container.querySelector("relay-task")) observer.observe(container); // the link is incomplete
