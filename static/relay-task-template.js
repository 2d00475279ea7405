// @ts-check
/** The skeleton of <relay-task>: built once, cloned for each element. It has all places and no data. */
import { h, textElement } from "./dom.js";

const STYLE_URL = new URL("./relay-task.css", import.meta.url).href;

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
    h("link", { rel: "stylesheet", href: STYLE_URL }),
    h(
      "article",
      { "data-is": "card", part: "card", hidden: true },
      head(),
      h("p", { "data-is": "lost", class: "notice", "data-tone": "bad", hidden: true }),
      h("div", { "data-is": "notices" }),
      progress(),
      h("section", { "data-is": "verdict", part: "verdict", class: "verdict", hidden: true }),
      h("section", { "data-is": "outputs", part: "outputs", class: "outputs", hidden: true, "aria-label": "Results" }),
      h("section", {
        "data-is": "segments",
        part: "segments",
        class: "segments",
        hidden: true,
        "aria-label": "Answer",
      }),
      section("stages", "Stages", h("ol", { "data-is": "stages", class: "stages" })),
      log(),
      // States alone are read out: a screen reader that is told every percent tells nothing else.
      h("p", { "data-is": "spoken", class: "spoken", "aria-live": "polite" }),
    ),
  );
  return made;
}

function head() {
  return h(
    "header",
    { part: "head" },
    h("h2", { "data-is": "model" }),
    h(
      "p",
      { class: "badges" },
      h("span", { "data-is": "state", class: "state" }),
      h("span", { "data-is": "connection", class: "connection" }),
    ),
    h("p", { "data-is": "facts", class: "facts" }),
  );
}

function progress() {
  return h(
    "section",
    { "data-is": "progress", class: "progress", part: "progress", hidden: true },
    h(
      "div",
      {
        "data-is": "bar",
        class: "bar",
        part: "bar",
        role: "progressbar",
        "aria-label": "Progress",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
      },
      h("div", { "data-is": "fill", class: "fill" }),
    ),
    h("p", { class: "figures" }, h("strong", { "data-is": "percent" }), h("span", { "data-is": "words" })),
  );
}

function log() {
  const pane = h("div", {
    "data-is": "log",
    class: "log",
    tabindex: "0",
    role: "log",
    "aria-live": "off",
    "aria-label": "Log",
  });
  const newest = h("button", { "data-is": "newest", class: "newest", type: "button", hidden: true }, "Newest lines ↓");
  return section(
    "log-section",
    "Log",
    h("p", { "data-is": "dropped", class: "faint", hidden: true }),
    h("div", { class: "log-frame" }, pane, newest),
  );
}

/**
 * @param {string} name
 * @param {string} title
 * @param {...Node} children
 */
function section(name, title, ...children) {
  return h(
    "details",
    { "data-is": `${name}-fold`, part: name, open: true, hidden: true },
    textElement("summary", title),
    ...children,
  );
}
