// @ts-check
/**
 * Shows a task in the skeleton of <relay-task>. It writes what has changed and nothing else, and decides nothing: what
 * it shows is a function of what it is given, but for the bar, which never goes back.
 *
 * @typedef {import("../client/types.js").Snapshot} Snapshot
 * @typedef {import("../client/relay-client.js").RelayUpdate} RelayUpdate
 */

import { Problem } from "../client/problem.js";
import { cancelTask, readInput } from "../client/task-calls.js";
import { allows } from "../client/token-scope.js";
import { CancelView } from "./cancel-view.js";
import { setText, textElement } from "./dom.js";
import { CONNECTION_WORDS, clockTime, duration, STATE_WORDS } from "./format.js";
import { pictureOf } from "./input-image.js";
import { LogView } from "./log-view.js";
import { NoticesView } from "./notices-view.js";
import { answerOf } from "./output-text.js";
import { OutputsView } from "./outputs-view.js";
import { ProgressView } from "./progress-view.js";
import { SegmentsView } from "./segments-view.js";
import { silenceOf } from "./silence.js";
import { RailView } from "./stages-view.js";
import { cloneSkeleton } from "./template.js";
import { VerdictView } from "./verdict-view.js";

/** What there is to show, without the message that brought it. */
/** @typedef {Omit<RelayUpdate, "message">} Shown */

/** A connection that comes back within this time has lost nobody's attention: its badge says enough. */
const PATIENCE_S = 2;

/** Where the log is shown folded at first: results are there to be looked at. */
const FOLDED = new Set(["succeeded"]);

export class TaskView {
  #part;
  #log;
  #notices;
  #outputs;
  #progress;
  #rail;
  #segments;
  #verdict;
  #cancel;
  #begun = false;
  /** @type {string|null} */
  #before = null;
  /** @type {readonly import("../client/types.js").Output[]} */
  #outputsSeen = [];
  /** @type {readonly import("../client/types.js").Segment[]} */
  #segmentsSeen = [];
  /** @type {readonly import("./output-text.js").AnswerPart[]} */
  #answer = [];
  #askedInput = false;

  /** With what the viewer may ask the relay; a renewed token is put here. */
  /** @type {import("../client/task-calls.js").Access} */
  access;

  /**
   * @param {ShadowRoot} root an empty one
   * @param {import("../client/task-calls.js").Access} access
   */
  constructor(root, access) {
    root.append(cloneSkeleton());
    this.access = access;
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-is="${name}"]`));
    this.#part = part;
    this.#log = new LogView({
      pane: part("log"),
      newest: part("newest"),
      follow: /** @type {HTMLInputElement} */ (part("follow")),
      copy: part("copy-log"),
    });
    this.#notices = new NoticesView(part("notices"));
    this.#outputs = new OutputsView(part("outputs"), part("card"));
    this.#progress = new ProgressView(part);
    this.#rail = new RailView(part("rail"), part("footnote"), part("steps-fold"), part("steps"));
    this.#segments = new SegmentsView(part("segments"));
    this.#verdict = new VerdictView(part("verdict"));
    this.#cancel = new CancelView(part("actions"), () => cancelTask(this.access));
    showWhenStyled(part("card"), [...root.querySelectorAll("link")]);
  }

  /**
   * Show `update` as it stands at `now`, in seconds of the server's clock.
   *
   * @param {Shown} update
   * @param {number} now
   */
  render(update, now) {
    const { state, connection } = update;
    this.#renderConnection(update, now);
    this.#part("loading").hidden = state !== null || connection === "refused";
    this.#part("content").hidden = state === null;
    if (!state) return;
    if (!this.#begun) this.#begin(state);
    this.#part("card").toggleAttribute("data-quiet", silenceOf(state) !== null);
    this.#renderHead(state, now);
    this.#notices.render(state, now);
    this.#progress.render(state, now, connection === "live" || connection === "polling");
    this.#rail.render(state, now);
    this.#verdict.render(state.done);
    this.#renderOutputs(state);
    this.#renderLog(state);
    const running = state.done === null && state.cancel === null;
    this.#cancel.render(running && connection !== "refused" && allows(this.access.token, "cancel"));
  }

  #begin(/** @type {Snapshot} */ state) {
    this.#begun = true;
    this.#part("log-fold").toggleAttribute("open", !FOLDED.has(state.state));
    const cut = state.model.indexOf("/") + 1; // the owner stands back behind the name
    this.#part("model").replaceChildren(
      textElement("span", state.model.slice(0, cut), "owner"),
      state.model.slice(cut),
    );
  }

  /**
   * @param {Shown} update
   * @param {number} now
   */
  #renderConnection({ connection, reason, offlineSince, clockOffset_s, missing }, now) {
    this.#part("card").dataset.connection = connection;
    const badge = this.#part("connection");
    badge.hidden = connection === "ended";
    badge.title = connection === "catching-up" ? `${missing} events are still to come` : reason;
    setText(badge, CONNECTION_WORDS[connection] ?? connection);
    const refused = connection === "refused";
    const lostAt = offlineSince === null ? null : Math.min(now, offlineSince + clockOffset_s);
    const lost = lostAt !== null && now - lostAt >= PATIENCE_S;
    const notice = this.#part("lost");
    notice.hidden = !refused && !lost;
    if (notice.hidden) return;
    const lead = refused
      ? "This task cannot be shown"
      : `The connection is lost (since ${clockTime(lostAt ?? now, now)})`;
    const words = `${reason.replace(/\.$/, "")}.${refused ? "" : " It is being tried again; the task goes on meanwhile."}`;
    if (notice.dataset.shown === lead + words) return;
    notice.dataset.shown = lead + words;
    notice.replaceChildren(textElement("strong", lead), words.charAt(0).toUpperCase() + words.slice(1));
  }

  /**
   * @param {Snapshot} state
   * @param {number} now
   */
  #renderHead(state, now) {
    this.#part("card").dataset.state = state.state;
    setText(this.#part("state"), STATE_WORDS[state.state]);
    setText(this.#part("spoken"), STATE_WORDS[state.state]);
    const facts = [state.provider, `began ${clockTime(state.created_at, now)}`];
    if (state.ended_at !== null) facts.push(`took ${duration(state.ended_at - state.created_at)}`);
    facts.push(...state.tags.map((tag) => `#${tag}`));
    setText(this.#part("facts"), facts.join(" · "));
  }

  #renderOutputs(/** @type {Snapshot} */ { outputs, segments, done }) {
    this.#outputs.render(outputs, this.#before);
    if (outputs.length) this.#askForInput();
    if (segments !== this.#segmentsSeen || outputs !== this.#outputsSeen) this.#answer = answerOf(segments, outputs);
    [this.#segmentsSeen, this.#outputsSeen] = [segments, outputs];
    this.#segments.render(this.#answer, done === null);
  }

  #renderLog(/** @type {Snapshot} */ { log, log_dropped }) {
    this.#log.render(log, log_dropped);
    this.#part("log-fold").hidden = log.length === 0;
    const dropped = this.#part("dropped");
    dropped.hidden = log_dropped === 0;
    setText(dropped, "Older lines are gone: only the newest are kept.");
  }

  /** The picture before, once, for whoever may read the input. Without it there is just nothing to compare with. */
  async #askForInput() {
    if (this.#askedInput || !allows(this.access.token, "input")) return;
    this.#askedInput = true;
    try {
      this.#before = pictureOf((await readInput(this.access)).input);
      this.#outputs.render(this.#outputsSeen, this.#before);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
}

/**
 * Naked text that jumps into its place is worse than nothing for as long as its styles take.
 *
 * @param {HTMLElement} card
 * @param {HTMLLinkElement[]} styles
 */
function showWhenStyled(card, styles) {
  let missing = styles.length;
  const settled = () => {
    missing -= 1;
    card.hidden = missing > 0;
  };
  for (const style of styles) {
    for (const type of ["load", "error"]) style.addEventListener(type, settled, { once: true });
  }
}
