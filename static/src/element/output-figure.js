// @ts-check
/**
 * One result of a task: the media or a link to the file, and its caption. An address is data: it becomes `src` or `href`
 * only after it was checked.
 *
 * @typedef {import("../client/types.js").Output} Output
 */
import { CompareView } from "./compare-view.js";
import { h, textElement } from "./dom.js";
import { fileSize } from "./format.js";
import { MediaLoader } from "./media-loader.js";
import { linkUrl, mediaUrl } from "./safe-url.js";

export class OutputFigure {
  /** @type {MediaLoader|null} */
  #loader = null;
  /** @type {CompareView|null} */
  #comparison = null;
  #caption;

  /**
   * @param {Output} output
   * @param {() => void} enlarge called when a picture is to be shown alone
   */
  constructor(output, enlarge) {
    this.name = output.name || "result";
    const link = linkUrl(output.url);
    const media = mediaUrl(output.url);
    const make = media ? MAKERS[kindOf(output)] : undefined;
    /** Whether it is a picture, which can be enlarged and compared. */
    this.isPicture = make !== undefined && kindOf(output) === "image";
    if (media && make) {
      this.#loader = new MediaLoader({
        url: media,
        make: () => make(this.name),
        frame: this.isPicture ? (picture) => opener(picture, this.name, enlarge) : undefined,
        link: link ? fileLink(link, "Open in a new tab") : null,
      });
    }
    this.#caption = caption(output, this.name, link);
    this.element = h("figure", { part: "output" }, this.#loader?.element ?? noteOf(output, link), this.#caption);
  }

  /** The address from which the picture was loaded last. */
  get src() {
    return this.#loader?.src ?? "";
  }

  /** Offer to compare this picture with `before`, or stop offering it with null. */
  compareWith(/** @type {string|null} */ before) {
    if (before === null || !this.#loader) {
      this.#comparison?.leave();
      this.#comparison = null;
    } else if (!this.#comparison) {
      this.#comparison = new CompareView(before, this.#loader, this.#caption);
    }
  }

  /** Go on loading, after the figure was out of the document. */
  wake() {
    this.#loader?.wake();
    this.#comparison?.wake();
  }

  /** Do nothing more. */
  stop() {
    this.#loader?.stop();
    this.#comparison?.stop();
  }
}

/** @type {Record<string, (name: string) => import("./media-loader.js").Media>} */
const MAKERS = {
  image: (name) => h("img", { alt: name, decoding: "async" }),
  video: (name) => h("video", { controls: true, playsinline: true, preload: "metadata", "aria-label": name }),
  audio: (name) => h("audio", { controls: true, preload: "metadata", "aria-label": name }),
};

function kindOf(/** @type {Output} */ { content_type }) {
  return content_type.toLowerCase().split("/")[0];
}

/**
 * @param {HTMLElement} picture
 * @param {string} name
 * @param {() => void} enlarge
 */
function opener(picture, name, enlarge) {
  const button = h("button", { type: "button", class: "open", "aria-label": `Enlarge ${name}` }, picture);
  button.addEventListener("click", enlarge);
  return button;
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
 * @param {string|null} link
 */
function noteOf({ url }, link) {
  if (link) {
    const download = fileLink(link, "Download");
    download.setAttribute("download", "");
    return h("div", { class: "note" }, textElement("p", "A file to download."), download);
  }
  return textElement("p", url ? "This kind of address is not opened here." : "This result has no address.", "note");
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
  return link;
}
