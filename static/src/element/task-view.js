// @ts-check
/**
 * Renders a task into the skeleton of <relay-task>, changing only what differs. What it shows depends only on its
 * arguments, except for the bar, which never moves backwards.
 */

import { sleep } from "../client/deadline.js";
import { cancelTask } from "../client/task-calls.js";
import { allows } from "../client/token-claims.js";
import { announcementOf } from "./announcement.js";
import { CancelView } from "./cancel-view.js";
import { ConnectionView } from "./connection-view.js";
import { setText, textElement } from "./dom.js";
import { setHidden } from "./focus.js";
import { clockTime, STATE_LABELS } from "./format.js";
import { NoticesView } from "./notices-view.js";
import { ProgressView } from "./progress-view.js";
import { StagesView } from "./stages-view.js";
import { stallOf } from "./stall.js";
import { taskInput } from "./task-input.js";
import { cloneSkeleton, STYLES } from "./template.js";
import { say } from "./words.js";

/** @import { RelayUpdate, Snapshot } from "../../relay.js" */
/** @import { Access } from "../client/task-calls.js" */
/** @import { ProducedView } from "./produced-view.js" */
/** @import { Usual } from "./usual-length.js" */
/** @typedef {Omit<RelayUpdate, "message">} ViewUpdate */

/** How long to wait before loading a script is tried again. */
const RELOAD_S = 2;

/** How long the first view waits for the input. */
const INPUT_S = 1;

export class TaskView {
  #root;
  #part;
  #connection;
  /** @type {HTMLElement|null} */
  #control = null;
  #notices;
  #progress;
  #stages;
  #cancel;
  #isInitialized = false;
  /** @type {ProducedView|null} */
  #produced = null;
  #isLoading = false;
  /** Whether the input is known, known to be secret, or slow. */
  #isPrepared = false;
  /** What the task was started with, if the viewer may see it. @type {Record<string, unknown>|null} */
  #input = null;
  /** The last update, to show it again when a script has been loaded. @type {{update: ViewUpdate, now: number}|null} */
  #last = null;

  /** How long such tasks usually take, if the page knows it. @type {Usual|null} */
  usual = null;

  /** What the view uses for API calls. Replaced when the token is renewed. @type {Access} */
  access;

  /**
   * @param {ShadowRoot} root must be empty
   * @param {Access} access
   * @param {() => void} [reconnect] called when the reader asks to reconnect at once
   */
  constructor(root, access, reconnect = () => {}) {
    this.#root = root;
    root.adoptedStyleSheets = STYLES;
    root.append(cloneSkeleton());
    this.access = access;
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-is="${name}"]`));
    this.#part = part;
    this.#connection = new ConnectionView(part, reconnect);
    this.#notices = new NoticesView(part("notices"));
    this.#progress = new ProgressView(part);
    this.#stages = new StagesView(part("rail"), part("usual"), part("steps-fold"), part("steps"));
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
    this.#last = { update, now };
    this.#connection.render(update, now, this.access.token);
    const isComplete = state !== null && this.#isPrepared && (this.#produced !== null || !hasProduced(state));
    const isReady = isComplete || (state !== null && this.#isInitialized);
    this.#part("loading").hidden = isReady || connection === "refused";
    this.#part("content").hidden = !isReady;
    if (!state) return;
    if (!isComplete) this.#prepare(hasProduced(state));
    if (!isReady) return;
    if (!this.#isInitialized) this.#initialize(state);
    this.#part("card").toggleAttribute("data-quiet", stallOf(state) !== null);
    this.#renderHead(state, now);
    this.#notices.render(state, now);
    this.#progress.render(state, now, connection === "live" || connection === "polling");
    this.#stages.render(state, now, this.usual);
    this.#produced?.render(state, now, this.#input);
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

  /**
   * Load what the first view needs, so that nothing moves when it comes: the input, which states the size of the
   * results, and the view of what the task has produced.
   */
  async #prepare(/** @type {boolean} */ isProducing) {
    if (this.#isLoading) return;
    this.#isLoading = true;
    const script = isProducing ? import("./produced-view.js") : null;
    try {
      const [, module] = await Promise.all([Promise.race([this.#loadInput(), sleep(INPUT_S)]), script]);
      if (module) this.#produced = new module.ProducedView(this.#root, this.#part, () => this.access);
      this.#isPrepared = true;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the script cannot be loaded now
      await sleep(RELOAD_S);
    }
    this.#isLoading = false;
    this.#renderAgain();
  }

  async #loadInput() {
    this.#input = (await taskInput(this.access))?.input ?? null;
    this.#renderAgain();
  }

  #renderAgain() {
    if (this.#last) this.render(this.#last.update, this.#last.now);
  }

  #initialize(/** @type {Snapshot} */ state) {
    this.#isInitialized = true;
    this.#part("log-fold").toggleAttribute("open", state.done === null); // then the results matter more
    if (state.title) setText(this.#part("model"), state.title);
    else this.#part("model").replaceChildren(...modelName(state.model));
  }

  /**
   * @param {Snapshot} state
   * @param {number} now
   */
  #renderHead(state, now) {
    this.#part("card").dataset.state = state.state;
    setText(this.#part("state"), STATE_LABELS[state.state]);
    setText(this.#part("announcement"), this.#produced?.announcement(state) || announcementOf(state));
    const facts = [say("head.started", { time: clockTime(state.created_at, now) })];
    if (state.done === null) facts.unshift(state.provider);
    if (state.title) facts.unshift(state.model);
    facts.push(...state.tags.map((tag) => `#${tag}`));
    setText(this.#part("facts"), facts.join(" · "));
  }
}

/** Return whether a task has something that the skeleton alone cannot show. */
function hasProduced(/** @type {Snapshot} */ { done, log, segments, outputs }) {
  return done !== null || log.length > 0 || segments.length > 0 || outputs.length > 0;
}

/** The owner of a model is shown less prominently than its name. */
function modelName(/** @type {string} */ model) {
  const cut = model.indexOf("/") + 1;
  return [textElement("span", model.slice(0, cut), "owner"), model.slice(cut)];
}
