// @ts-check
/** Draws numbers as a small line without axes. The text beside it states the last one, so it is hidden from readers. */

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [96, 20];

/**
 * @param {readonly number[]} values at least two
 * @returns {SVGElement}
 */
export function sparkline(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const range = high - low || 1;
  const points = values.map((value, index) => {
    const x = 1 + (index / (values.length - 1)) * (WIDTH - 2);
    const y = HEIGHT - 2 - ((value - low) / range) * (HEIGHT - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.join(" "));
  for (const [name, value] of [
    ["viewBox", `0 0 ${WIDTH} ${HEIGHT}`],
    ["class", "sparkline"],
    ["aria-hidden", "true"],
  ]) {
    svg.setAttribute(name, value);
  }
  svg.append(line);
  return svg;
}
