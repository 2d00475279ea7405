// @ts-check
/**
 * Shows what a task has produced: its verdict, results, answer, figures and log. It is loaded when there is something to
 * show, so that a running task is on the screen sooner.
 */
import { setText } from "./dom.js";
import { inputImage, inputRatio } from "./input-image.js";
import { LogView } from "./log-view.js";
import { NumbersView } from "./numbers-view.js";
import { answerOf } from "./output-text.js";
import { OutputsView } from "./outputs-view.js";
import "./result-words.js";
import { resultAnnouncement } from "./result-announcement.js";
import results from "./results.css" with { type: "css" };
import { SegmentsView } from "./segments-view.js";
import { VerdictView } from "./verdict-view.js";
import { say } from "./words.js";

/** @import { Output, Segment, Snapshot } from "../../relay.js" */
/** @import { Access } from "../client/task-calls.js" */
/** @import { AnswerPart } from "./output-text.js" */

export class ProducedView {
  #part;
  #log;
  #outputs;
  #segments;
  #verdict;
  #numbers;
  /** @type {readonly Output[]} */
  #renderedOutputs = [];
  /** @type {readonly Segment[]} */
  #renderedSegments = [];
  /** @type {readonly AnswerPart[]} */
  #answer = [];

  /**
   * @param {ShadowRoot} root takes the styles
   * @param {(name: string) => HTMLElement} part finds a part of the skeleton
   * @param {() => Access} access
   */
  constructor(root, part, access) {
    if (results) root.adoptedStyleSheets = [...root.adoptedStyleSheets, results];
    this.#part = part;
    this.#log = new LogView({
      pane: part("log"),
      newest: part("newest"),
      follow: /** @type {HTMLInputElement} */ (part("follow")),
      copy: part("copy-log"),
    });
    this.#outputs = new OutputsView(part("outputs"), part("card"), access);
    this.#segments = new SegmentsView(part("segments"));
    this.#verdict = new VerdictView(part("verdict"));
    this.#numbers = new NumbersView(part("numbers"));
  }

  /** What a screen reader announces about the results or the failure of a task; empty if there is nothing to add. */
  announcement = resultAnnouncement;

  /**
   * @param {Snapshot} state
   * @param {number} now seconds of the server's clock
   * @param {Record<string, unknown>|null} input what the task was started with, if the viewer may see it
   */
  render(state, now, input) {
    const { outputs, segments, done, log, log_dropped } = state;
    this.#verdict.render(state);
    this.#outputs.render(outputs, input && { image: inputImage(input), ratio: inputRatio(input) });
    if (segments !== this.#renderedSegments || outputs !== this.#renderedOutputs)
      this.#answer = answerOf(segments, outputs);
    [this.#renderedSegments, this.#renderedOutputs] = [segments, outputs];
    this.#segments.render(this.#answer, state, now);
    this.#part("card").toggleAttribute("data-streaming", done === null && this.#answer.length > 0);
    this.#numbers.render(state);
    this.#log.render(log, log_dropped);
    this.#part("log-fold").hidden = log.length === 0;
    const dropped = this.#part("dropped");
    dropped.hidden = log_dropped === 0;
    setText(dropped, say("log.dropped"));
  }
}
