// @ts-check
/** Two pictures in one place, the first cut off at a line that a slider moves: what there was, and what came of it. */
import { h, textElement } from "./dom.js";

/**
 * @param {string} before
 * @param {string} after
 * @param {() => void} failed called when the first cannot be loaded
 */
export function compareView(before, after, failed) {
  const first = h("img", { src: before, alt: "The input", class: "before" });
  first.addEventListener("error", failed, { once: true });
  const frame = h("div", { class: "compare" }, h("img", { src: after, alt: "The result" }), first);
  const slider = h("input", { type: "range", min: "0", max: "100", value: "50" });
  slider.addEventListener("input", () => frame.style.setProperty("--relay-split", `${slider.value}%`));
  return h("div", {}, frame, h("label", {}, textElement("span", "Input"), slider, textElement("span", "Result")));
}
