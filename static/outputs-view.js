// @ts-check
/**
 * Shows the results of a task. An address is data: it becomes `src` or `href` only after it was looked at, and what
 * does not load leaves a link and no hole.
 *
 * @typedef {import("./types.js").Output} Output
 */
import { compareView } from "./compare-view.js";
import { h, textElement } from "./dom.js";
import { fileSize } from "./format.js";
import { Lightbox } from "./lightbox.js";
import { linkUrl, mediaUrl } from "./safe-url.js";

export class OutputsView {
  #place;
  #lightbox;
  #shown = "[]";

  /**
   * @param {HTMLElement} place
   * @param {HTMLElement} room where the lightbox may be put
   */
  constructor(place, room) {
    this.#place = place;
    this.#lightbox = new Lightbox(room);
  }

  /**
   * @param {readonly Output[]} outputs
   * @param {string|null} before the picture that the task began with, where the viewer may see it
   */
  render(outputs, before) {
    const shown = JSON.stringify([outputs, before]);
    if (shown === this.#shown) return; // a fresh snapshot brings equal results: a video that plays goes on playing
    this.#shown = shown;
    const files = outputs.filter((output) => outputText(output).length === 0);
    const pictures = files.filter((file) => kindOf(file) === "image" && mediaUrl(file.url));
    this.#lightbox.show(pictures.map(({ url, name }) => ({ src: mediaUrl(url) ?? "", name: name || "result" })));
    this.#place.hidden = files.length === 0;
    this.#place.replaceChildren(...files.map((file) => this.#figure(file, pictures.indexOf(file), before)));
  }

  /**
   * @param {Output} output
   * @param {number} index among the pictures
   * @param {string|null} before
   */
  #figure(output, index, before) {
    const name = output.name || "result";
    const link = linkUrl(output.url);
    const media = mediaOf(output, name);
    const failed = () => (button ?? media)?.replaceWith(missing(link));
    media?.addEventListener("error", failed, { once: true });
    const button = index < 0 || !media ? null : this.#opener(media, name, index);
    const shown = button ?? media ?? noteOf(output, link);
    const figure = h("figure", { part: "output" }, shown, caption(output, name, link));
    if (index === 0 && before && button) offerComparison(figure, button, before, mediaUrl(output.url) ?? "");
    return figure;
  }

  /**
   * @param {HTMLElement} media
   * @param {string} name
   * @param {number} index
   */
  #opener(media, name, index) {
    const button = h("button", { type: "button", class: "open", "aria-label": `Enlarge ${name}` }, media);
    button.addEventListener("click", () => this.#lightbox.open(index));
    return button;
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

function kindOf(/** @type {Output} */ { content_type }) {
  return content_type.toLowerCase().split("/")[0];
}

/**
 * @param {Output} output
 * @param {string} name
 * @param {string|null} link
 */
function caption(output, name, link) {
  const facts = [output.content_type, output.size == null ? null : fileSize(output.size)].filter(Boolean).join(", ");
  const title = link ? outward(link, name) : textElement("span", name);
  return h("figcaption", {}, title, textElement("span", facts, "faint"));
}

/**
 * @param {Output} output
 * @param {string} name
 * @returns {HTMLElement|null} null where it is nothing to look at or to listen to
 */
function mediaOf(output, name) {
  const src = mediaUrl(output.url);
  if (!src) return null;
  switch (kindOf(output)) {
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
  if (link) return h("div", { class: "note" }, textElement("p", "A file to download."), fileLink(link, "Download"));
  const words = url ? "Its address is of a kind that is not opened here." : "No address came with it.";
  return textElement("p", words, "note");
}

/** What stands in the place of media that were blocked, or are gone from where they were. */
function missing(/** @type {string|null} */ link) {
  const words = textElement("p", "This could not be loaded here. The platform may have deleted it.");
  return h("div", { class: "note" }, words, ...(link ? [fileLink(link, "Open it by itself")] : []));
}

/**
 * @param {HTMLElement} figure
 * @param {HTMLElement} button
 * @param {string} before
 * @param {string} after
 */
function offerComparison(figure, button, before, after) {
  const toggle = h("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "Compare with the input");
  const comparison = compareView(before, after, () => {
    toggle.remove(); // an input that cannot be loaded is nothing to compare with
    comparison.replaceWith(button);
  });
  toggle.addEventListener("click", () => {
    const comparing = toggle.getAttribute("aria-pressed") === "false";
    toggle.setAttribute("aria-pressed", String(comparing));
    (comparing ? button : comparison).replaceWith(comparing ? comparison : button);
  });
  figure.querySelector("figcaption")?.append(toggle);
}

/**
 * @param {string} href
 * @param {string} text
 */
function outward(href, text) {
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
}

/**
 * @param {string} href
 * @param {string} text
 */
function fileLink(href, text) {
  const link = outward(href, text);
  link.className = "button";
  link.setAttribute("download", "");
  return link;
}
