// @ts-check
/** One result of a task: the media, or a link to the file, with a caption. Addresses are checked before they are used. */
import { CompareView } from "./compare-view.js";
import { h, textElement } from "./dom.js";
import { fileSize } from "./format.js";
import { MediaLoader } from "./media-loader.js";
import { outputAddress } from "./output-address.js";
import { linkUrl, mediaUrl } from "./safe-url.js";
import { say } from "./words.js";

/** @import { Output } from "../../relay.js" */
/** @import { Access } from "../client/task-calls.js" */
/** @import { Media } from "./media-loader.js" */

export class OutputFigure {
  /** @type {MediaLoader|null} */
  #loader = null;
  /** @type {CompareView|null} */
  #comparison = null;
  /** Takes the buttons below the media. */
  #tools = h("div", { class: "tools" });

  /**
   * @param {Output} output
   * @param {Access|null} access for the relay's copy; null loads the file from the platform
   * @param {() => void} onEnlarge called when the reader enlarges an image
   */
  constructor(output, access, onEnlarge) {
    this.name = output.name || say("result.unnamed");
    const address = outputAddress(output, access);
    const link = linkUrl(address);
    const url = mediaUrl(address);
    const create = url ? CREATORS[kindOf(output)] : undefined;
    /** Whether it is an image, which can be enlarged and compared. */
    this.isImage = create !== undefined && kindOf(output) === "image";
    if (url && create) {
      this.#loader = new MediaLoader({
        url,
        otherUrl: mediaUrl(output.url),
        create: () => create(this.name),
        wrap: this.isImage ? (image) => enlargeButton(image, this.name, onEnlarge) : undefined,
        link: link ? buttonLink(link, say("result.open")) : null,
      });
    }
    /** Whether it is shown as a link only. */
    this.isFile = this.#loader === null;
    const media = this.#loader?.element;
    this.element = h(
      "figure",
      { part: "output", "data-kind": this.isFile ? "file" : kindOf(output) },
      ...(media ? [media] : []),
      caption(output, this.name, link, media ? download(address ?? "", this.name) : fileLink(output, link)),
      this.#tools,
    );
  }

  /** The address from which the image was last loaded. */
  get src() {
    return this.#loader?.src ?? "";
  }

  /** Offer a comparison with the input image; null removes the offer. */
  compareWith(/** @type {string|null} */ inputUrl) {
    if (inputUrl === null || !this.#loader) {
      this.#comparison?.remove();
      this.#comparison = null;
    } else if (!this.#comparison) {
      this.#comparison = new CompareView(inputUrl, this.#loader, this.#tools);
    }
  }

  /** Continue loading after the figure was out of the document. */
  resume() {
    this.#loader?.resume();
    this.#comparison?.resume();
  }

  stop() {
    this.#loader?.stop();
    this.#comparison?.stop();
  }
}

/** @type {Record<string, (name: string) => Media>} */
const CREATORS = {
  image: (name) => h("img", { alt: name, decoding: "async" }),
  video: (name) => h("video", { controls: true, playsinline: true, preload: "metadata", "aria-label": name }),
  audio: (name) => h("audio", { controls: true, preload: "metadata", "aria-label": name }),
};

function kindOf(/** @type {Output} */ { content_type }) {
  return content_type.toLowerCase().split("/")[0];
}

/**
 * @param {HTMLElement} image
 * @param {string} name
 * @param {() => void} onEnlarge
 */
function enlargeButton(image, name, onEnlarge) {
  const button = h("button", { type: "button", class: "open", "aria-label": say("result.enlarge", { name }) }, image);
  button.addEventListener("click", onEnlarge);
  return button;
}

/**
 * @param {Output} output
 * @param {string} name
 * @param {string|null} link
 * @param {HTMLElement} action
 */
function caption(output, name, link, action) {
  const facts = [output.content_type, output.size == null ? null : fileSize(output.size)].filter(Boolean).join(", ");
  const title = link ? externalLink(link, name) : textElement("span", name);
  return h("figcaption", {}, title, textElement("span", facts, "faint"), action);
}

/**
 * @param {string} address
 * @param {string} name
 */
function download(address, name) {
  const link = externalLink(address, "↓");
  link.className = "button download";
  link.title = say("result.download");
  link.setAttribute("aria-label", say("result.download_name", { name }));
  link.setAttribute("download", name);
  return link;
}

/**
 * Return the link to a file that is not shown, or the reason why there is none.
 *
 * @param {Output} output
 * @param {string|null} link
 */
function fileLink({ url }, link) {
  if (!link) return textElement("span", say(url ? "result.forbidden" : "result.no_address"), "faint");
  const button = buttonLink(link, say("result.download"));
  button.setAttribute("download", "");
  return button;
}

/**
 * @param {string} href
 * @param {string} text
 */
function externalLink(href, text) {
  return h("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
}

/**
 * @param {string} href
 * @param {string} text
 */
function buttonLink(href, text) {
  const link = externalLink(href, text);
  link.className = "button";
  return link;
}
