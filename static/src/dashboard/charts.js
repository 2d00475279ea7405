// @ts-check
/** The charts above the board. They are drawn again only if a task has ended or their size has changed. */
import { ChartCard } from "./chart-card.js";
import { costContent, costShapes } from "./chart-cost.js";
import { endedTasks, runs, spending, throughput } from "./chart-data.js";
import { throughputContent, throughputShapes } from "./chart-throughput.js";
import { timesContent, timesShapes } from "./chart-times.js";
import { hatch } from "./hatch.js";

/** @import { ListedTask } from "./api.js" */

export class Charts {
  #throughput = new ChartCard("throughput");
  #times = new ChartCard("times");
  #cost = new ChartCard("cost");
  /** @type {ListedTask[]} */
  #ended = [];
  #now = 0;
  #shown = "?";
  #width = 0;

  constructor(/** @type {HTMLElement} */ container) {
    container.append(hatch(), this.#throughput.element, this.#times.element, this.#cost.element);
    new ResizeObserver(() => this.#resized()).observe(container);
  }

  /**
   * @param {ListedTask[]} tasks
   * @param {number} now
   * @returns {boolean} whether other tasks have ended than before
   */
  render(tasks, now) {
    const ended = endedTasks(tasks);
    const shown = ended.map(({ id, ended_at }) => `${id} ${ended_at}`).join();
    if (shown === this.#shown) return false;
    this.#shown = shown;
    this.#ended = ended;
    this.#now = now;
    this.#draw();
    return true;
  }

  #resized() {
    if (this.#width === this.#throughput.width) return;
    this.#draw();
  }

  #draw() {
    const [counted, run, spent] = [throughput(this.#ended), runs(this.#ended), spending(this.#ended)];
    const now = this.#now;
    this.#width = this.#throughput.width;
    this.#throughput.render(throughputContent(counted, now), throughputShapes(counted.buckets, this.#width));
    this.#times.render(timesContent(run, now), timesShapes(run, this.#times.width));
    this.#cost.render(costContent(spent, this.#ended.length, now), costShapes(spent, this.#cost.width));
  }
}
