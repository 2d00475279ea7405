// @ts-check
/**
 * Shows a task in the skeleton of <relay-task>. It writes what has changed and nothing else, and decides nothing: what
 * it shows is a function of what it is given, but for the bar, which never goes back.
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./client.js").RelayUpdate} RelayUpdate
 */
import { setText, textElement } from "./dom.js";
import {
  clockTime,
  CONNECTION_WORDS,
  costWords,
  duration,
  percentText,
  progressWords,
  STAGE_WORDS,
  STATE_WORDS,
} from "./format.js";
import { LogView } from "./log-view.js";
import { outputText, OutputsView } from "./outputs-view.js";
import { cloneSkeleton } from "./relay-task-template.js";
import { SegmentsView } from "./segments-view.js";
import { VerdictView } from "./verdict-view.js";

/** A connection that comes back within this time has lost nobody's attention: its badge says enough. */
const PATIENCE_S = 2;

export class TaskView {
  #parts;
  #log;
  #outputs;
  #segments;
  #verdict;
  #percent = 0;
  #task = "";
  /** Since when nothing can be heard; Infinity while something can. */
  #lostAt = Infinity;

  /** @param {ShadowRoot} root an empty one */
  constructor(root) {
    root.append(cloneSkeleton());
    this.#parts = (/** @type {string} */ name) =>
      /** @type {HTMLElement} */ (root.querySelector(`[data-is="${name}"]`));
    this.#log = new LogView(this.#parts("log"), this.#parts("newest"));
    this.#outputs = new OutputsView(this.#parts("outputs"));
    this.#segments = new SegmentsView(this.#parts("segments"));
    this.#verdict = new VerdictView(this.#parts("verdict"));
    // Naked text that jumps into its place is worse than nothing for as long as a style sheet takes.
    const card = this.#parts("card");
    const style = /** @type {HTMLLinkElement} */ (root.querySelector("link"));
    for (const type of ["load", "error"]) style.addEventListener(type, () => (card.hidden = false), { once: true });
  }

  /**
   * Show `update` as it stands at `now`, in seconds of the server's clock.
   *
   * @param {Omit<RelayUpdate, "message">} update
   * @param {number} now
   */
  render({ state, connection, reason }, now) {
    this.#renderConnection(connection, reason, now);
    if (!state) return;
    if (state.id !== this.#task) {
      this.#task = state.id;
      this.#percent = 0;
    }
    this.#renderHead(state, now);
    this.#renderNotices(state);
    this.#renderProgress(state);
    this.#renderStages(state, now);
    this.#verdict.render(state.done);
    this.#outputs.render(state.outputs);
    // An answer that was streamed is the same text as the output that repeats it: the stream stays, it was read already.
    const segments = state.segments.length ? state.segments : state.outputs.flatMap(outputText);
    this.#segments.render(segments, state.done === null);
    this.#log.render(state.log);
    this.#parts("log-section-fold").hidden = state.log.length === 0;
    const dropped = this.#parts("dropped");
    dropped.hidden = state.log_dropped === 0;
    setText(dropped, "Older lines are gone: only the newest are kept.");
  }

  /**
   * @param {import("./types.js").ConnectionState} connection
   * @param {string} reason
   * @param {number} now
   */
  #renderConnection(connection, reason, now) {
    this.#parts("card").dataset.connection = connection;
    const badge = this.#parts("connection");
    badge.hidden = connection === "ended";
    badge.title = reason;
    setText(badge, CONNECTION_WORDS[connection]);
    const refused = connection === "refused";
    this.#lostAt = reason && !refused ? Math.min(this.#lostAt, now) : Infinity;
    const notice = this.#parts("lost");
    notice.hidden = !refused && now - this.#lostAt < PATIENCE_S;
    notice.dataset.tone = refused ? "bad" : "warn";
    const lead = refused ? "This task cannot be shown" : "The connection is lost, and is being tried again";
    setText(notice, `${lead}: ${reason.replace(/\.$/, "")}.`);
  }

  #renderHead(/** @type {Snapshot} */ state, /** @type {number} */ now) {
    this.#parts("card").dataset.state = state.state;
    setText(this.#parts("model"), state.model);
    setText(this.#parts("state"), STATE_WORDS[state.state]);
    setText(this.#parts("spoken"), STATE_WORDS[state.state]);
    const elapsed_s = (state.ended_at ?? now) - state.created_at;
    const facts = [
      state.provider,
      `began ${clockTime(state.created_at)}`,
      duration(elapsed_s),
      ...state.tags.map((tag) => `#${tag}`),
    ];
    if (state.done) facts.push(costWords(state.done));
    setText(this.#parts("facts"), facts.join(" · "));
  }

  #renderNotices(/** @type {Snapshot} */ { hold, cancel, stall, done }) {
    const notices = [];
    if (hold) notices.push(`Waiting for a place at the platform, number ${hold.position} in line: ${hold.reason}`);
    if (stall) notices.push(`No news for ${duration(stall.silent_s)}. ${stall.checked}`);
    if (cancel && !done) notices.push(`Stopping was asked for (by ${cancel.by}); what comes of it is not known yet.`);
    const place = this.#parts("notices");
    if (place.dataset.shown === notices.join("\n")) return;
    place.dataset.shown = notices.join("\n");
    place.replaceChildren(...notices.map((notice) => textElement("p", notice, "notice")));
  }

  #renderProgress(/** @type {Snapshot} */ { progress, done, state }) {
    this.#parts("progress").hidden = done !== null && done.verdict !== "succeeded";
    const percent = done?.verdict === "succeeded" ? 100 : (progress?.percent ?? null);
    if (percent !== null) this.#percent = Math.max(this.#percent, Math.min(100, percent));
    const known = percent !== null || this.#percent > 0;
    const words = progress && !done ? progressWords(progress) : [];
    const bar = this.#parts("bar");
    bar.toggleAttribute("data-unknown", !known);
    if (known) bar.setAttribute("aria-valuenow", String(Math.floor(this.#percent)));
    else bar.removeAttribute("aria-valuenow");
    bar.setAttribute("aria-valuetext", [known ? percentText(this.#percent) : STATE_WORDS[state], ...words].join(", "));
    this.#parts("fill").style.setProperty("--relay-percent", `${known ? this.#percent : 0}%`);
    setText(this.#parts("percent"), known ? percentText(this.#percent) : "");
    setText(this.#parts("words"), words.join(" · "));
  }

  /** Each stage lasts until the next one; the last of a task that still runs is the one that ticks. */
  #renderStages(/** @type {Snapshot} */ { stages, done, ended_at }, /** @type {number} */ now) {
    this.#parts("stages-fold").hidden = stages.length === 0;
    const list = this.#parts("stages");
    while (list.children.length > stages.length) list.lastElementChild?.remove();
    while (list.children.length < stages.length) list.append(stageRow());
    stages.forEach((stage, index) => {
      const [name, time, note, lasted] = list.children[index].children;
      const last = index === stages.length - 1;
      const until = last ? (ended_at ?? now) : stages[index + 1].at;
      const row = /** @type {HTMLElement} */ (list.children[index]);
      row.dataset.source = stage.source;
      row.toggleAttribute("data-current", last && done === null);
      setText(name, STAGE_WORDS[stage.type] ?? stage.type);
      setText(time, clockTime(stage.at));
      setText(note, stage.source === "reconciled" ? "worked out afterwards" : "");
      setText(lasted, last && done ? "" : duration(until - stage.at));
    });
  }
}

function stageRow() {
  const row = document.createElement("li");
  row.append(
    textElement("span", "", "name"),
    textElement("time", ""),
    textElement("span", "", "faint"),
    textElement("span", "", "lasted"),
  );
  return row;
}
