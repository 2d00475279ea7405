// @ts-check
/** The pattern of failed tasks in charts, so that color is not the only difference. A page needs it once. */
import { svg } from "../board/svg.js";

/** Return an element that draws nothing and has the pattern, which `charts.css` names. */
export function hatch() {
  const size = { width: 5, height: 5 };
  const pattern = svg(
    "pattern",
    { id: "hatch", ...size, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { ...size, class: "ground" }),
    svg("rect", { width: 1.5, height: 5, class: "gap" }),
  );
  return svg("svg", { class: "hatch", width: 0, height: 0, "aria-hidden": "true" }, svg("defs", {}, pattern));
}
