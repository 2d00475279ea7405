// @ts-check
/** What has become of the tasks of each model, `/insights`: how long they waited and ran, and what they cost. */
import { Api } from "../src/dashboard/api.js";
import { Attempts } from "../src/dashboard/attempts.js";
import { hatch } from "../src/dashboard/hatch.js";
import { queryFromSelection, selected, selectionFromQuery } from "../src/dashboard/insights-address.js";
import { ModelInsights } from "../src/dashboard/model-insights.js";
import { modelTable } from "../src/dashboard/model-table.js";
import { openTask } from "../src/dashboard/operator-tokens.js";
import { RowLinks } from "../src/dashboard/row-links.js";
import { totalOf } from "../src/dashboard/stats-days.js";
import { costsText, shareText, tasksText } from "../src/dashboard/stats-text.js";
import { KEY, readSecret, writeSecret } from "../src/dashboard/tab-store.js";
import { h, setText } from "../src/element/dom.js";
import forms from "../src/form/forms.css" with { type: "css" };
import charts from "./charts.css" with { type: "css" };
import sheet from "./insights.css" with { type: "css" };
import { showPage } from "./styles.js";

/** @import { Selection } from "../src/dashboard/insights-address.js" */
/** @import { NotableTask } from "../src/dashboard/notable-tasks.js" */
/** @import { ModelSummary } from "../src/dashboard/stats.js" */

showPage(forms, charts, sheet);
document.body.prepend(hatch());

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const [provider, model, days] = ["provider", "model", "days"].map((id) => /** @type {HTMLSelectElement} */ (part(id)));
let selection = selectionFromQuery(location.search);
/** @type {ModelSummary[]} of all models, in the period of the selection */
let models = [];
/** @type {ModelInsights[]} */
let shown = [];
/** @type {Map<Element, NotableTask>} those that are not described yet */
const waiting = new Map();
const attempts = new Attempts(part("problem"), () => {
  writeSecret(KEY, "");
  load();
});
new RowLinks(
  part("models"),
  { rowOf },
  {
    createToken: async (task) => (await api().createToken(task, "view")).token,
    onOpen: (task) => attempts.run(() => openTask(readSecret(KEY), task)),
  },
);
/** Describes the tasks that come into view. */
const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) if (isIntersecting) attempts.run(() => describe(target));
});

for (const select of [provider, model, days]) {
  select.addEventListener("change", () => {
    const isOther =
      select === provider && !models.some((each) => each.provider === provider.value && each.model === model.value);
    go({ days: Number(days.value), provider: provider.value, model: isOther ? "" : model.value });
  });
}
part("clear").addEventListener("click", () => goAndFocus({ ...selection, provider: "", model: "" }));
part("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment is for secrets
  part("title").focus();
});
addEventListener("popstate", () => apply(selectionFromQuery(location.search)));
new ResizeObserver(() => draw()).observe(part("models"));
load();

function api() {
  return new Api(readSecret(KEY));
}

/** Show another selection, and keep it in the address. */
function go(/** @type {Selection} */ next) {
  history.pushState(null, "", location.pathname + queryFromSelection(next));
  apply(next);
}

/** The same from a control that disappears with it. */
function goAndFocus(/** @type {Selection} */ next) {
  go(next);
  part("title").focus();
}

function apply(/** @type {Selection} */ next) {
  const isOtherPeriod = next.days !== selection.days;
  selection = next;
  if (isOtherPeriod) load();
  else render();
}

/** Read and show the statistics, or the way to sign in. */
function load() {
  const isSignedIn = readSecret(KEY) !== "";
  part("signed-out").hidden = isSignedIn;
  for (const id of ["insights", "skip"]) part(id).hidden = !isSignedIn;
  renderSelection();
  if (!isSignedIn) return;
  attempts.run(async () => {
    const stats = await api().stats(selection.days);
    if (stats.days !== selection.days) return; // the reader has chosen another period since
    models = stats.models;
    render();
  });
}

function render() {
  const found = selected(models, selection);
  const isFiltered = selection.provider !== "" || selection.model !== "";
  renderSelection();
  const { count, success_rate, cost } = totalOf(found);
  const facts = [
    tasksText(count),
    success_rate === null ? "" : `${shareText(success_rate)} succeeded`,
    costsText(cost),
  ];
  setText(part("summary"), count ? facts.filter(Boolean).join(" · ") : "No tasks");
  part("none").hidden = found.length > 0;
  part("clear").hidden = !isFiltered;
  part("note").hidden = found.length === 0;
  part("table").hidden = found.length < 2;
  part("table").replaceChildren(modelTable(found, selection, goAndFocus));
  const now = Date.now() / 1000;
  shown = found.map((each) => new ModelInsights(each, selection.days, now));
  part("models").replaceChildren(...shown.map(({ element }) => element));
  draw();
  observer.disconnect();
  waiting.clear();
  for (const task of shown.flatMap(({ tasks }) => tasks)) {
    waiting.set(task.element, task);
    observer.observe(task.element);
  }
}

function draw() {
  for (const each of shown) each.draw();
}

/** Show the selection, with what there is to choose from. */
function renderSelection() {
  const ofProvider = selected(models, { ...selection, model: "" });
  fill(
    provider,
    "All providers",
    models.map((each) => each.provider),
    selection.provider,
  );
  fill(
    model,
    "All models",
    ofProvider.map((each) => each.model),
    selection.model,
  );
  days.value = String(selection.days);
}

/**
 * @param {HTMLSelectElement} select
 * @param {string} all the option without a filter
 * @param {string[]} names
 * @param {string} value
 */
function fill(select, all, names, value) {
  const values = [...new Set(value ? [...names, value] : names)].sort();
  select.replaceChildren(h("option", { value: "" }, all), ...values.map((name) => h("option", { value: name }, name)));
  select.value = value;
}

/** @returns {NotableTask|null} */
function rowOf(/** @type {EventTarget|null} */ target) {
  const tasks = shown.flatMap(({ tasks }) => tasks);
  return tasks.find(({ element }) => target instanceof Node && element.contains(target)) ?? null;
}

/** Read what a task is about. */
async function describe(/** @type {Element} */ element) {
  const task = waiting.get(element);
  if (!task) return;
  waiting.delete(element);
  const { tasks } = await api().list(new URLSearchParams({ q: task.task.id, limit: "1" }));
  task.describe(tasks.find(({ id }) => id === task.task.id) ?? null);
}
