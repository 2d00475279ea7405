// @ts-check
/** The skeleton of <relay-task>: built once, cloned for each element. It has all places and no data. */
import { h, textElement } from "./dom.js";

const STYLES = ["theme.css", "task.css", "stages.css", "results.css"].map(
  (name) => new URL(name, import.meta.url).href,
);

/** @type {HTMLTemplateElement|null} */
let template = null;

/** Return a fresh copy of the skeleton. Its parts carry `data-is`, by which the view finds them. */
export function cloneSkeleton() {
  template ??= build();
  return /** @type {DocumentFragment} */ (template.content.cloneNode(true));
}

function build() {
  const made = h("template");
  made.content.append(
    ...STYLES.map((href) => h("link", { rel: "stylesheet", href })),
    h(
      "article",
      { "data-is": "card", part: "card", hidden: true },
      place("div", "lost", { class: "notice lost", part: "lost", hidden: true }),
      // What stands between the tags of <relay-task> is shown until there is something better.
      place("div", "loading", {}, h("slot", {}, loading())),
      h(
        "div",
        { "data-is": "content", class: "content", hidden: true },
        head(),
        place("div", "notices", { class: "notices", part: "notices" }),
        progress(), // where the bar was, the results appear
        place("div", "outputs", {
          part: "outputs",
          class: "outputs",
          role: "group",
          hidden: true,
          "aria-label": "Results",
        }),
        place("div", "segments", {
          part: "segments",
          class: "segments",
          role: "group",
          hidden: true,
          "aria-label": "Answer",
        }),
        place("div", "verdict", {
          part: "verdict",
          class: "verdict",
          role: "group",
          hidden: true,
          "aria-label": "Verdict",
        }),
        rail(),
        log(),
        place("div", "actions", { class: "actions", part: "actions", hidden: true }),
      ),
      // States alone are read out: a screen reader that is told every percent tells nothing else.
      place("p", "spoken", { class: "spoken", "aria-live": "polite" }),
    ),
  );
  return made;
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} name
 * @param {Record<string, string|boolean>} [attributes]
 * @param {...Node} children
 */
function place(tag, name, attributes = {}, ...children) {
  return h(tag, { "data-is": name, ...attributes }, ...children);
}

function loading() {
  const bones = Array.from({ length: 3 }, () => h("span", { class: "bone" }));
  return h("div", { class: "loading", role: "img", "aria-label": "Loading the task" }, ...bones);
}

function head() {
  return h(
    "header",
    { part: "head" },
    place("h2", "model"),
    h(
      "p",
      { class: "badges" },
      place("span", "state", { class: "pill state", part: "state" }),
      place("span", "connection", { class: "pill connection", part: "connection" }),
    ),
    place("p", "facts", { class: "facts" }),
  );
}

function progress() {
  const bar = place(
    "div",
    "bar",
    {
      class: "bar",
      part: "bar",
      role: "progressbar",
      "aria-label": "Progress",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    },
    place("div", "fill", { class: "fill", part: "fill" }),
  );
  const figures = h(
    "p",
    { class: "figures" },
    place("strong", "percent", { class: "percent" }),
    place("span", "basis", { class: "basis" }),
    place("span", "elapsed", { class: "elapsed" }),
  );
  const details = h("p", { class: "details" }, place("span", "words"), place("span", "eta"));
  return place("section", "progress", { class: "progress", part: "progress" }, figures, bar, details);
}

function rail() {
  return h(
    "section",
    { part: "stages" },
    place("ol", "rail", { class: "rail", part: "rail", "aria-label": "Stages" }),
    place("p", "footnote", { class: "footnote", hidden: true }, document.createTextNode(FOOTNOTE)),
    fold("steps", "Every step", { hidden: true }, place("ol", "steps", { class: "steps" })),
  );
}

const FOOTNOTE = "A dotted mark: nobody saw this stage; it was worked out from the platform's record afterwards.";

function log() {
  const pane = place("div", "log", {
    class: "log",
    tabindex: "0",
    role: "log",
    "aria-live": "off",
    "aria-label": "Log",
  });
  const newest = place("button", "newest", { type: "button", hidden: true });
  const follow = place("input", "follow", { type: "checkbox", checked: true });
  return fold(
    "log",
    "Log",
    { part: "log", hidden: true, open: true },
    h("div", { class: "log-frame" }, pane, h("div", { class: "log-tools" }, newest)),
    h(
      "div",
      { class: "log-foot" },
      h("label", {}, follow, textElement("span", "Follow")),
      place("span", "dropped", { class: "faint", hidden: true }),
      textButton("copy-log", "Copy"),
    ),
  );
}

/**
 * @param {string} name
 * @param {string} words
 */
function textButton(name, words) {
  return place("button", name, { type: "button", class: "quiet" }, document.createTextNode(words));
}

/**
 * @param {string} name
 * @param {string} title
 * @param {Record<string, string|boolean>} attributes
 * @param {...Node} children
 */
function fold(name, title, attributes, ...children) {
  return place("details", `${name}-fold`, attributes, textElement("summary", title), ...children);
}
