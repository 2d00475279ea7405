// @ts-check
/** The statistics of one model: charts of its results, times and cost by day, and its slowest and failed tasks. */
import { h, textElement } from "../element/dom.js";
import { clockTime, duration } from "../element/format.js";
import { ChartCard } from "./chart-card.js";
import { costContent, costShapes, resultsContent, timesContent, timesShapes } from "./chart-days.js";
import { throughputShapes } from "./chart-throughput.js";
import { NotableTasks } from "./notable-tasks.js";
import { bucketsOf, daysOf, timesPerDay } from "./stats-days.js";

/** @import { NotableTask } from "./notable-tasks.js" */
/** @import { ModelSummary } from "./stats.js" */

export class ModelInsights {
  #results = new ChartCard("results");
  #queue = new ChartCard("queue");
  #run = new ChartCard("run");
  #cost = new ChartCard("cost");
  #summary;
  #days;
  /** @type {NotableTask[]} */
  tasks;
  element;

  /**
   * @param {ModelSummary} summary
   * @param {number} days of the period
   * @param {number} now unix seconds
   */
  constructor(summary, days, now) {
    const { model, provider, slowest, failed } = summary;
    this.#summary = summary;
    this.#days = daysOf(summary.per_day, days, now);
    const lists = [
      new NotableTasks(
        "Slowest tasks",
        slowest.map(({ task, run_s }) => ({ id: task, fact: duration(run_s) })),
      ),
      new NotableTasks(
        "Latest failed tasks",
        failed.map(({ task, ended_at }) => ({ id: task, fact: clockTime(ended_at, now) })),
      ),
    ];
    this.tasks = lists.flatMap(({ tasks }) => tasks);
    const charts = [this.#results, this.#queue, this.#run, this.#cost].map(({ element }) => element);
    this.element = h(
      "section",
      { "aria-label": `${model} on ${provider}` },
      h("header", { class: "row" }, textElement("h2", model), textElement("span", provider, "faint")),
      h("div", { class: "charts" }, ...charts),
      h("div", { class: "notable" }, ...lists.flatMap(({ tasks, element }) => (tasks.length ? [element] : []))),
    );
  }

  /** Draw the charts at their present width. */
  draw() {
    const [summary, days] = [this.#summary, this.#days];
    const { queue, run, cost } = summary;
    const shapes = (/** @type {"queue"|"run"} */ measure, /** @type {ChartCard} */ card) =>
      timesShapes(timesPerDay(days, measure), card.width);
    this.#results.render(resultsContent(summary, days), throughputShapes(bucketsOf(days), this.#results.width));
    this.#queue.render(timesContent("Time in queues", queue, days, "queue"), shapes("queue", this.#queue));
    this.#run.render(timesContent("Run time", run, days, "run"), shapes("run", this.#run));
    this.#cost.render(costContent(summary, days), costShapes(days, cost, this.#cost.width));
  }
}
