// @ts-check
/**
 * Shows the results of a task. An address is data: it becomes `src` or `href` only after it was looked at, and what
 * does not load leaves a link and no hole.
 *
 * @typedef {import("./types.js").Output} Output
 */
import { h, textElement } from "./dom.js";
import { fileSize } from "./format.js";
import { linkUrl, mediaUrl } from "./safe-url.js";

export class OutputsView {
  #place;
  #shown = "[]";

  constructor(/** @type {HTMLElement} */ place) {
    this.#place = place;
  }

  render(/** @type {readonly Output[]} */ outputs) {
    const shown = JSON.stringify(outputs);
    if (shown === this.#shown) return; // a fresh snapshot brings equal results: a video that plays goes on playing
    this.#shown = shown;
    const figures = outputs.filter((output) => outputText(output).length === 0).map(figure);
    this.#place.hidden = figures.length === 0;
    this.#place.replaceChildren(...figures);
  }
}

/**
 * The text that an output carries in itself, as segments; none for a file.
 *
 * @param {Output} output
 * @returns {import("./types.js").Segment[]}
 */
export function outputText({ content_type, content }) {
  if (content_type !== "raw" || !content) return [];
  const segments = ["thinking", "answer"].flatMap((kind) => {
    const text = [content[kind] ?? []].flat().join("\n\n");
    return text ? [{ kind, text }] : [];
  });
  if (segments.length) return segments;
  return [{ kind: "raw", text: typeof content.raw === "string" ? content.raw : JSON.stringify(content, null, 2) }];
}

function figure(/** @type {Output} */ output) {
  const name = output.name || "result";
  const link = linkUrl(output.url);
  const caption = h("figcaption");
  if (link) caption.append(outward(link, name));
  else caption.append(textElement("span", name));
  const facts = [output.content_type, output.size == null ? null : fileSize(output.size)].filter(Boolean).join(", ");
  caption.append(" ", textElement("span", facts, "faint"));
  const media = mediaOf(output, name) ?? noteOf(output, link);
  media.addEventListener("error", () => media.replaceWith(missing(link)), { once: true });
  return h("figure", { part: "output" }, media, caption);
}

/**
 * @param {Output} output
 * @param {string} name
 * @returns {HTMLElement|null} null where it is nothing to look at or to listen to
 */
function mediaOf({ content_type, url }, name) {
  const src = mediaUrl(url);
  if (!src) return null;
  switch (content_type.toLowerCase().split("/")[0]) {
    case "image":
      return h("img", { src, alt: name, decoding: "async" });
    case "video":
      return h("video", { src, controls: true, playsinline: true, preload: "metadata", "aria-label": name });
    case "audio":
      return h("audio", { src, controls: true, preload: "metadata", "aria-label": name });
    default:
      return null;
  }
}

/**
 * @param {Output} output
 * @param {string|null} link
 */
function noteOf({ url }, link) {
  const words = link
    ? "A file to download."
    : url
      ? "Its address is of a kind that is not opened here."
      : "No address came with it.";
  return textElement("p", words, "note");
}

/** What stands in the place of media that were blocked, or are gone from where they were. */
function missing(/** @type {string|null} */ link) {
  const note = textElement("p", "This could not be loaded here. ", "note");
  if (link) note.append(outward(link, "Open it by itself"));
  return note;
}

/**
 * @param {string} href
 * @param {string} text
 */
function outward(href, text) {
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
}
