// @ts-check
/**
 * Renders a task into the skeleton of <relay-task>, changing only what differs. What it shows depends only on its
 * arguments, except for the bar, which never moves backwards.
 */

import { Problem } from "../client/problem.js";
import { cancelTask, readInput } from "../client/task-calls.js";
import { allows } from "../client/token-claims.js";
import { CancelView } from "./cancel-view.js";
import { ConnectionView } from "./connection-view.js";
import { setText, textElement } from "./dom.js";
import { setHidden } from "./focus.js";
import { clockTime, duration, STATE_LABELS } from "./format.js";
import { inputImage } from "./input-image.js";
import { LogView } from "./log-view.js";
import { NoticesView } from "./notices-view.js";
import { answerOf } from "./output-text.js";
import { OutputsView } from "./outputs-view.js";
import { ProgressView } from "./progress-view.js";
import { SegmentsView } from "./segments-view.js";
import { StagesView } from "./stages-view.js";
import { stallOf } from "./stall.js";
import { cloneSkeleton, STYLES } from "./template.js";
import { VerdictView } from "./verdict-view.js";
import { say } from "./words.js";

/** @import { Output, RelayUpdate, Segment, Snapshot } from "../../relay.js" */
/** @import { Access } from "../client/task-calls.js" */
/** @import { AnswerPart } from "./output-text.js" */
/** @typedef {Omit<RelayUpdate, "message">} ViewUpdate */

export class TaskView {
  #part;
  #connection;
  /** @type {HTMLElement|null} */
  #control = null;
  #log;
  #notices;
  #outputs;
  #progress;
  #stages;
  #segments;
  #verdict;
  #cancel;
  #isInitialized = false;
  /** The address of the input image. @type {string|null} */
  #inputUrl = null;
  /** @type {readonly Output[]} */
  #renderedOutputs = [];
  /** @type {readonly Segment[]} */
  #renderedSegments = [];
  /** @type {readonly AnswerPart[]} */
  #answer = [];
  #hasRequestedInput = false;

  /** What the view uses for API calls. Replaced when the token is renewed. @type {Access} */
  access;

  /**
   * @param {ShadowRoot} root must be empty
   * @param {Access} access
   * @param {() => void} [reconnect] called when the reader asks to reconnect at once
   */
  constructor(root, access, reconnect = () => {}) {
    root.adoptedStyleSheets = STYLES;
    root.append(cloneSkeleton());
    this.access = access;
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-is="${name}"]`));
    this.#part = part;
    this.#connection = new ConnectionView(part, reconnect);
    this.#log = new LogView({
      pane: part("log"),
      newest: part("newest"),
      follow: /** @type {HTMLInputElement} */ (part("follow")),
      copy: part("copy-log"),
    });
    this.#notices = new NoticesView(part("notices"));
    this.#outputs = new OutputsView(part("outputs"), part("card"), () => this.access);
    this.#progress = new ProgressView(part);
    this.#stages = new StagesView(part("rail"), part("footnote"), part("steps-fold"), part("steps"));
    this.#segments = new SegmentsView(part("segments"));
    this.#verdict = new VerdictView(part("verdict"));
    this.#cancel = new CancelView(part("actions"), part("card"), () => cancelTask(this.access));
  }

  /**
   * Show an update.
   *
   * @param {ViewUpdate} update
   * @param {number} now seconds of the server's clock
   */
  render(update, now) {
    const { state, connection } = update;
    this.#connection.render(update, now, this.access.token);
    this.#part("loading").hidden = state !== null || connection === "refused";
    this.#part("content").hidden = state === null;
    if (!state) return;
    if (!this.#isInitialized) this.#initialize(state);
    this.#part("card").toggleAttribute("data-quiet", stallOf(state) !== null);
    this.#renderHead(state, now);
    this.#notices.render(state, now);
    this.#progress.render(state, now, connection === "live" || connection === "polling");
    this.#stages.render(state, now);
    this.#verdict.render(state.done);
    this.#renderOutputs(state);
    this.#renderLog(state);
    const canCancel = state.done === null && state.cancel === null && connection !== "refused";
    if (this.#control) setHidden(this.#control, state.done !== null || connection === "refused", this.#part("card"));
    this.#cancel.render(canCancel && allows(this.access.token, "cancel"));
  }

  /**
   * Show a button beside the state, until the task has ended.
   *
   * @param {HTMLElement} control
   * @returns {(text: string) => void} shows a text about it
   */
  addControl(control) {
    const text = textElement("span", "", "facts");
    text.setAttribute("role", "status");
    this.#part("connection").after(control);
    this.#part("facts").after(text);
    this.#control = control;
    return (words) => setText(text, words);
  }

  #initialize(/** @type {Snapshot} */ state) {
    this.#isInitialized = true;
    this.#part("log-fold").toggleAttribute("open", state.state !== "succeeded"); // then the results matter more
    const cut = state.model.indexOf("/") + 1; // the owner is shown less prominently
    this.#part("model").replaceChildren(
      textElement("span", state.model.slice(0, cut), "owner"),
      state.model.slice(cut),
    );
  }

  /**
   * @param {Snapshot} state
   * @param {number} now
   */
  #renderHead(state, now) {
    this.#part("card").dataset.state = state.state;
    setText(this.#part("state"), STATE_LABELS[state.state]);
    setText(this.#part("announcement"), STATE_LABELS[state.state]);
    const facts = [state.provider, say("head.started", { time: clockTime(state.created_at, now) })];
    if (state.ended_at !== null) facts.push(say("head.took", { time: duration(state.ended_at - state.created_at) }));
    facts.push(...state.tags.map((tag) => `#${tag}`));
    setText(this.#part("facts"), facts.join(" · "));
  }

  #renderOutputs(/** @type {Snapshot} */ { outputs, segments, done }) {
    this.#outputs.render(outputs, this.#inputUrl);
    if (outputs.length) this.#requestInput();
    if (segments !== this.#renderedSegments || outputs !== this.#renderedOutputs)
      this.#answer = answerOf(segments, outputs);
    [this.#renderedSegments, this.#renderedOutputs] = [segments, outputs];
    this.#segments.render(this.#answer, done === null);
  }

  #renderLog(/** @type {Snapshot} */ { log, log_dropped }) {
    this.#log.render(log, log_dropped);
    this.#part("log-fold").hidden = log.length === 0;
    const dropped = this.#part("dropped");
    dropped.hidden = log_dropped === 0;
    setText(dropped, say("log.dropped"));
  }

  /** Load the input image once, if the token allows it. Without it, no comparison is offered. */
  async #requestInput() {
    if (this.#hasRequestedInput || !allows(this.access.token, "input")) return;
    this.#hasRequestedInput = true;
    try {
      this.#inputUrl = inputImage((await readInput(this.access)).input);
      this.#outputs.render(this.#renderedOutputs, this.#inputUrl);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
}
