// @ts-check
/** The models beside each other, one row each; the name of a model filters the page. */
import { h, textElement } from "../element/dom.js";
import { queryFromSelection } from "./insights-address.js";
import { costsText, quantilesText, shareText } from "./stats-text.js";

/** @import { Selection } from "./insights-address.js" */
/** @import { ModelSummary } from "./stats.js" */

const HEAD = ["Model", "Tasks", "Succeeded", "Queue p50 · p90", "Run p50 · p90", "Cost"];

/**
 * @param {ModelSummary[]} models
 * @param {Selection} selection
 * @param {(selection: Selection) => void} onSelect
 */
export function modelTable(models, selection, onSelect) {
  const rows = models.map((summary) => {
    const { provider, model, count, success_rate, queue, run, cost } = summary;
    const target = { ...selection, provider, model };
    const link = h("a", { href: `insights${queryFromSelection(target)}` }, model);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      onSelect(target);
    });
    const cells = [
      count.toLocaleString(),
      shareText(success_rate),
      quantilesText(queue),
      quantilesText(run),
      costsText(cost) || "–",
    ];
    const name = h("th", { scope: "row" }, link, " ", textElement("span", provider, "faint"));
    return h("tr", {}, name, ...cells.map((cell) => textElement("td", cell)));
  });
  const head = h("tr", {}, ...HEAD.map((text) => h("th", { scope: "col" }, text)));
  return h(
    "table",
    { class: "models" },
    textElement("caption", "Models, the most used first", "visually-hidden"),
    h("thead", {}, head),
    h("tbody", {}, ...rows),
  );
}
