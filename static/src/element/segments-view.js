// @ts-check
/**
 * Shows an answer in parts: answers as light Markdown, calls with the function and its arguments, thoughts collapsed.
 * While the model only thinks, its thoughts are open. The pane follows its end until the reader scrolls up.
 */
import { copyText } from "./clipboard.js";
import { h, setText, textElement } from "./dom.js";
import { FollowEnd } from "./follow-end.js";
import { duration } from "./format.js";
import { setLongText } from "./long-text.js";
import { MarkdownView } from "./markdown-view.js";
import { withoutWrapper } from "./output-text.js";
import { ThoughtTime } from "./thought-time.js";
import { WordCount } from "./word-count.js";
import { say } from "./words.js";

/** @import { Snapshot } from "../../relay.js" */
/** @import { AnswerPart } from "./output-text.js" */

/**
 * @typedef {object} ShownPart
 * @property {string} kind
 * @property {HTMLElement} element
 * @property {HTMLElement|null} summary
 * @property {(text: string, isGrowing: boolean) => void} render
 */

export class SegmentsView {
  #container;
  #pane = h("div", { class: "answer-pane", tabindex: "0", role: "group", "aria-label": say("answer") });
  #count = textElement("span", "", "faint");
  #follow = new FollowEnd(this.#pane);
  #words = new WordCount();
  #thought = new ThoughtTime();
  /** @type {ShownPart[]} */
  #parts = [];
  /** @type {readonly AnswerPart[]} */
  #shown = [];
  #wasRunning = true;
  #wasThinking = false;

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
    const copy = h("button", { type: "button", class: "quiet" }, say("copy"));
    copy.addEventListener("click", async () => {
      setText(copy, say((await copyText(this.#answer)) ? "copy.copied" : "copy.blocked"));
    });
    container.append(this.#pane, h("div", { class: "answer-foot" }, this.#count, copy));
  }

  /** The text that a reader copies: the answer without thoughts and calls. */
  get #answer() {
    const answers = this.#shown.filter(({ kind }) => kind === "answer" || kind === "raw");
    return answers.map(({ text }) => withoutWrapper(text)).join("\n\n");
  }

  /**
   * @param {readonly AnswerPart[]} parts
   * @param {Snapshot} state
   * @param {number} now seconds of the server's clock
   */
  render(parts, { done, stages }, now) {
    const isRunning = done === null;
    this.#container.hidden = parts.length === 0;
    this.#container.toggleAttribute("data-running", isRunning);
    if (!parts.length) return;
    if (parts !== this.#shown || isRunning !== this.#wasRunning) this.#renderParts(parts, isRunning);
    const isThinking = isRunning && parts.at(-1)?.kind === "thinking";
    const started_at = stages.find(({ type }) => type === "start")?.at ?? null;
    this.#renderThought(isThinking, this.#thought.update({ isThinking, started_at, now }));
    const { words, perSecond } = this.#words.update(this.#answer, now);
    const speed = isRunning && perSecond ? ` · ${say("answer.speed", { speed: Math.round(perSecond) })}` : "";
    setText(this.#count, words ? say("answer.words", { count: words }) + speed : "");
  }

  /**
   * @param {readonly AnswerPart[]} parts
   * @param {boolean} isRunning
   */
  #renderParts(parts, isRunning) {
    this.#shown = parts;
    this.#wasRunning = isRunning;
    for (const { element } of this.#parts.splice(parts.length)) element.remove();
    parts.forEach((part, index) => {
      const title = titleOf(part);
      if (this.#parts[index]?.kind !== part.kind) {
        const created = shownPart(part.kind, title);
        if (this.#parts[index]) this.#parts[index].element.replaceWith(created.element);
        else this.#pane.append(created.element);
        this.#parts[index] = created;
      }
      const { summary, render } = this.#parts[index];
      if (summary && part.kind !== "thinking") setText(summary, title);
      render(withoutWrapper(part.text), isRunning && index === parts.length - 1);
    });
    this.#follow.update();
  }

  /**
   * @param {boolean} isThinking
   * @param {number|null} seconds
   */
  #renderThought(isThinking, seconds) {
    const last = this.#parts.findLast(({ kind }) => kind === "thinking");
    if (!last?.summary) return;
    const time = seconds === null ? null : duration(seconds);
    const text = isThinking ? "answer.thinking_for" : "answer.thought_for";
    setText(last.summary, time === null ? say("answer.thinking") : say(text, { time }));
    // It opens and closes itself only when the thinking begins and ends, so the reader can decide otherwise.
    if (isThinking !== this.#wasThinking) last.element.toggleAttribute("open", isThinking && this.#parts.length === 1);
    this.#wasThinking = isThinking;
  }
}

/** Return the title of a part; empty if it needs none. */
function titleOf(/** @type {AnswerPart} */ { kind, name }) {
  switch (kind) {
    case "answer":
    case "raw":
      return "";
    case "thinking":
      return say("answer.thinking");
    case "function_call":
      return name ? say("answer.function_name", { name }) : say("answer.function");
    case "custom_tool_call":
      return name ? say("answer.tool_name", { name }) : say("answer.tool");
    default:
      return kind;
  }
}

/**
 * @param {string} kind
 * @param {string} title
 * @returns {ShownPart}
 */
function shownPart(kind, title) {
  const text = h("div", { class: kind === "answer" ? "text rich" : "text" });
  const markdown = kind === "answer" ? new MarkdownView(text) : null;
  const render = (/** @type {string} */ given, /** @type {boolean} */ isGrowing) =>
    markdown ? markdown.render(given, isGrowing) : setLongText(text, given);
  if (!title) return { kind, element: h("div", { "data-kind": kind }, text), summary: null, render };
  const isCall = kind.endsWith("_call");
  const summary = textElement("summary", title);
  const element = h("details", { "data-kind": kind, open: isCall, "data-call": isCall }, summary, text);
  return { kind, element, summary, render };
}
