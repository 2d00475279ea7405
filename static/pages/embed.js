// @ts-check
/**
 * The frame for other people's pages, `/embed/{id}#token=…`: the element and nothing else.
 *
 * It tells the page around it how high it would like to be: `{type: "relay-height", height_px}`. Any page may hear
 * that, and nothing that comes back is listened to.
 */
import { showTask } from "./task-page.js";

const place = /** @type {HTMLElement} */ (document.getElementById("place"));
let told_px = 0;

new ResizeObserver(() => {
  const height_px = Math.ceil(place.getBoundingClientRect().height);
  if (height_px === told_px || parent === window) return;
  told_px = height_px;
  parent.postMessage({ type: "relay-height", height_px }, "*");
}).observe(place);
showTask(place);
