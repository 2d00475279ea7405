// @ts-check
/** The skeleton of <relay-task>, without data. It is built once and cloned for each element. */
import { h, textElement } from "./dom.js";
import stages from "./stages.css" with { type: "css" };
import task from "./task.css" with { type: "css" };
import theme from "./theme.css" with { type: "css" };
import { say, wordsRevision } from "./words.js";

/** Styles that are adopted need no permission of the page's Content-Security-Policy, unlike elements with styles. */
export const STYLES = [theme, task, stages].flatMap((sheet) => sheet ?? []);

/** @type {HTMLTemplateElement|null} */
let template = null;
/** The revision of its texts. */
let revision = 0;

/** Return a copy of the skeleton. The view finds its parts by `data-is`. */
export function cloneSkeleton() {
  if (!template || revision !== wordsRevision()) template = build();
  revision = wordsRevision();
  return /** @type {DocumentFragment} */ (template.content.cloneNode(true));
}

function build() {
  const created = h("template");
  created.content.append(
    h(
      "article",
      { "data-is": "card", part: "card" },
      part("div", "lost", { class: "notice lost", part: "lost", hidden: true }),
      // The element's own content is shown until the first state arrives.
      part("div", "loading", {}, h("slot", {}, loading())),
      h(
        "div",
        { "data-is": "content", class: "content", hidden: true },
        head(),
        // The page may say here what was asked for, offer below what to do next, and add a line at the end.
        h("slot", { name: "asked" }),
        part("div", "notices", { class: "notices", part: "notices" }),
        progress(),
        part("div", "actions", { class: "actions", part: "actions", hidden: true }),
        group({ part: "verdict" }, say("verdict")),
        group({ part: "outputs" }, say("results")),
        group({ part: "segments" }, say("answer")),
        part("dl", "numbers", { class: "numbers", part: "numbers", hidden: true }),
        h("slot", { name: "next" }),
        rail(),
        log(),
        h("slot", { name: "foot" }),
      ),
      part("p", "announcement", { class: "visually-hidden", "aria-live": "polite" }),
    ),
  );
  return created;
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} name
 * @param {Record<string, string|boolean>} [attributes]
 * @param {...Node} children
 */
function part(tag, name, attributes = {}, ...children) {
  return h(tag, { "data-is": name, ...attributes }, ...children);
}

/**
 * @param {{part: string}} name
 * @param {string} label
 */
function group({ part: name }, label) {
  return part("div", name, { part: name, class: name, role: "group", hidden: true, "aria-label": label });
}

function loading() {
  const bones = Array.from({ length: 3 }, () => h("span", { class: "bone" }));
  return h("div", { class: "loading", role: "img", "aria-label": say("loading") }, ...bones);
}

function head() {
  return h(
    "header",
    { part: "head" },
    part("h2", "model"),
    h(
      "p",
      { class: "badges" },
      part("span", "state", { class: "pill state", part: "state" }),
      part("span", "connection", { class: "pill connection", part: "connection" }),
    ),
    part("p", "facts", { class: "facts" }),
  );
}

function progress() {
  const bar = part(
    "div",
    "bar",
    {
      class: "bar",
      part: "bar",
      role: "progressbar",
      "aria-label": say("progress"),
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    },
    part("div", "fill", { class: "fill", part: "fill" }),
  );
  const figures = h(
    "p",
    { class: "figures" },
    part("strong", "percent", { class: "percent" }),
    part("span", "basis", { class: "basis" }),
    part("span", "elapsed", { class: "elapsed" }),
  );
  const details = h("p", { class: "details" }, part("span", "words"), part("span", "eta"));
  return part("section", "progress", { class: "progress", part: "progress" }, figures, bar, details);
}

function rail() {
  return h(
    "section",
    { part: "stages" },
    part("ol", "rail", { class: "rail", part: "rail", "aria-label": say("stages") }),
    part("p", "usual", { class: "faint", hidden: true }),
    fold("steps", say("stages.all"), { hidden: true }, part("ol", "steps", { class: "steps" })),
  );
}

function log() {
  const pane = part("div", "log", {
    class: "log",
    tabindex: "0",
    role: "log",
    "aria-live": "off",
    "aria-label": say("log"),
  });
  const newest = part("button", "newest", { type: "button", hidden: true });
  const follow = part("input", "follow", { type: "checkbox", checked: true });
  return fold(
    "log",
    say("log"),
    { part: "log", hidden: true, open: true },
    h("div", { class: "log-frame" }, pane, h("div", { class: "log-tools" }, newest)),
    h(
      "div",
      { class: "log-foot" },
      h("label", {}, follow, textElement("span", say("log.follow"))),
      part("span", "dropped", { class: "faint", hidden: true }),
      textButton("copy-log", say("copy")),
    ),
  );
}

/**
 * @param {string} name
 * @param {string} words
 */
function textButton(name, words) {
  return part("button", name, { type: "button", class: "quiet" }, document.createTextNode(words));
}

/**
 * @param {string} name
 * @param {string} title
 * @param {Record<string, string|boolean>} attributes
 * @param {...Node} children
 */
function fold(name, title, attributes, ...children) {
  return part("details", `${name}-fold`, attributes, textElement("summary", title), ...children);
}
