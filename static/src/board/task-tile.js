// @ts-check
/** The tile of a row: the first result as a picture, a ring while the task runs, or a sign. Its size never changes. */
import { h } from "../element/dom.js";
import { svg } from "./svg.js";

/** @import { Output } from "../../relay.js" */
/** @import { ListedTask } from "../dashboard/api.js" */

/** @type {Record<string, string>} */
const SIGNS = { failed: "!", lost: "?", canceled: "–", succeeded: "✓" };

export class TaskTile {
  #ring = svg("circle", { cx: 12, cy: 12, r: 9, pathLength: 100, class: "level" });
  #count = h("span", { class: "count", hidden: true });
  #shown = "";
  element = h("span", { class: "tile", "aria-hidden": "true" });

  /**
   * Show a task.
   *
   * @param {ListedTask} task
   * @param {number|null} percent
   * @returns {Output|null} the picture or video to load, if it is another one than before
   */
  render(task, percent) {
    const output = task.done ? (task.outputs[0] ?? task.first_output ?? null) : null;
    const kind = mediaKind(output);
    const shown = `${task.state} ${kind} ${output?.href ?? output?.url ?? ""}`;
    if (!task.done) this.#ring.style.strokeDasharray = `${percent ?? 0} 100`;
    if (shown === this.#shown) return null;
    this.#shown = shown;
    this.element.dataset.kind = kind || (task.done ? "sign" : "ring");
    this.#count.textContent = String(task.outputs.length);
    this.#count.hidden = task.outputs.length < 2;
    if (!task.done)
      this.#show(svg("svg", { viewBox: "0 0 24 24" }, svg("circle", { cx: 12, cy: 12, r: 9 }), this.#ring));
    else this.#show(h("span", {}, output && task.state === "succeeded" ? signOf(kind) : (SIGNS[task.state] ?? "")));
    return kind === "image" || kind === "video" ? output : null;
  }

  /** Show a picture or a video in the place of the sign. */
  showMedia(/** @type {HTMLImageElement|HTMLVideoElement} */ media) {
    this.#show(media);
  }

  #show(/** @type {Element} */ content) {
    this.element.replaceChildren(content, this.#count);
  }
}

/** @returns {"image"|"video"|"audio"|"text"|"file"|""} */
function mediaKind(/** @type {Output|null} */ output) {
  if (!output) return "";
  const type = output.content_type.split("/")[0];
  if (type === "image" || type === "video" || type === "audio" || type === "text") return type;
  return type === "raw" ? "text" : "file";
}

function signOf(/** @type {string} */ kind) {
  return { image: "", video: "▶", audio: "♪", text: "Aa" }[kind] ?? "✓";
}
