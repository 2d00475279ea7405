// @ts-check
/** Shows what a task was asked for: its prompt, and its other inputs as short facts. */
import { h, textElement } from "../src/element/dom.js";
import { linkUrl } from "../src/element/safe-url.js";

/** @typedef {{name: string, text: string, href: string|null}} Fact */
/** @typedef {{prompt: string, facts: Fact[]}} Asked */

const PROMPTS = ["prompt", "text", "question", "message", "query"];

/** These come first, in this order. */
const FIRST = [
  /size|resolution/i,
  /ratio/i,
  /width|height/i,
  /count|^n$|num|max.*image/i,
  /duration|seconds/i,
  /image|video|audio|file/i,
];

const MOST_FACTS = 10;
const LONGEST = 40;

/** A longer prompt is folded. */
const FOLD_LENGTH = 320;

/**
 * Choose what to show of an input. Pure.
 *
 * @param {Record<string, unknown>} input
 * @param {readonly {input: string, filename: string}[]} [files] those that were uploaded
 * @returns {Asked}
 */
export function askedOf(input, files = []) {
  const name = PROMPTS.find((each) => typeof input[each] === "string" && input[each] !== "") ?? "";
  const given = Object.entries(input).flatMap(([each, value]) =>
    each === name ? [] : (Array.isArray(value) ? value : [value]).flatMap((item) => factOf(each, item)),
  );
  const uploaded = files.map(({ input: each, filename }) => ({ name: nameOf(each), text: filename, href: null }));
  const rank = (/** @type {Fact} */ fact) => (FIRST.findIndex((pattern) => pattern.test(fact.name)) + 99) % 99;
  const facts = [...given, ...uploaded].sort((one, other) => rank(one) - rank(other));
  return { prompt: name ? String(input[name]) : "", facts: facts.slice(0, MOST_FACTS) };
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {Fact[]} none for a value that says nothing
 */
function factOf(name, value) {
  if (value === "" || value === null || value === false || typeof value === "object") return [];
  const text = value === true ? "yes" : String(value);
  const href = typeof value === "string" && /^https?:/i.test(value) ? linkUrl(value) : null;
  if (href) return [{ name: nameOf(name), text: fileName(href), href }];
  if (text.startsWith("data:")) return [{ name: nameOf(name), text: "file", href: null }];
  return [{ name: nameOf(name), text: /^\d+x\d+$/.test(text) ? text.replace("x", "×") : shortened(text), href }];
}

function fileName(/** @type {string} */ href) {
  const { pathname, hostname } = new URL(href);
  return shortened(pathname.split("/").filter(Boolean).at(-1) ?? hostname);
}

function shortened(/** @type {string} */ text) {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** Return the name of an input as words: `maxImages` becomes `max images`. */
function nameOf(/** @type {string} */ name) {
  return name
    .replace(/Url$|_url$/, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/_+/g, " ")
    .toLowerCase();
}

/**
 * @param {HTMLElement} container
 * @param {Asked} asked
 */
export function showAsked(container, { prompt, facts }) {
  const parts = [];
  if (prompt) parts.push(promptElement(prompt));
  if (facts.length) parts.push(h("ul", { class: "asked-facts" }, ...facts.map(factElement)));
  container.replaceChildren(...parts);
}

function promptElement(/** @type {string} */ prompt) {
  if (prompt.length <= FOLD_LENGTH) return textElement("p", prompt, "asked-prompt");
  const start = textElement("summary", `${prompt.slice(0, FOLD_LENGTH).trimEnd()}…`, "asked-prompt");
  return h("details", {}, start, textElement("p", prompt, "asked-prompt"));
}

function factElement(/** @type {Fact} */ { name, text, href }) {
  const value = href
    ? h("a", { href, target: "_blank", rel: "noopener noreferrer" }, text)
    : textElement("strong", text);
  return h("li", {}, textElement("span", name, "faint"), " ", value);
}
