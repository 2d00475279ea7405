// @ts-check
/**
 * The frame for other pages, `/embed/{id}#token=…`: only the element.
 *
 * It tells the page around it its preferred height: `{type: "relay-height", height_px}`. Any page may receive that; the
 * frame accepts no messages.
 */

import { showPage } from "./styles.js";
import { showTask } from "./task-page.js";

showPage();

const container = /** @type {HTMLElement} */ (document.getElementById("place"));
let sentHeight_px = 0;

new ResizeObserver(() => {
  const height_px = Math.ceil(container.getBoundingClientRect().height);
  if (height_px === sentHeight_px || parent === window) return;
  sentHeight_px = height_px;
  parent.postMessage({ type: "relay-height", height_px }, "*");
}).observe(container);
showTask(container);
