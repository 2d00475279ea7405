// @ts-check
/** Chooses files for one input: by the browser's dialog or by dropping them, with a row and a small picture for each. */
import { h, textElement } from "../element/dom.js";
import { fileSize } from "../element/format.js";

export class FilePicker {
  #chooser;
  #list = h("ul");
  #most;
  /** @type {File[]} */
  #files = [];
  /** @type {string[]} addresses of the small pictures */
  #previews = [];

  /**
   * @param {object} options
   * @param {string} options.label
   * @param {readonly string[]} options.accept content types; empty for any
   * @param {number|null} options.most null where nobody says
   * @param {() => void} options.changed
   */
  constructor({ label, accept, most, changed }) {
    this.#most = most;
    this.changed = changed;
    const single = most === 1;
    this.#chooser = h("input", {
      type: "file",
      "aria-label": `${label}: choose ${single ? "a file" : "files"}`,
      accept: accept.join(","),
      multiple: !single,
    });
    const words = `or drop ${single ? "it" : "them"} here${accept.length ? `: ${accept.map(shortType).join(", ")}` : ""}`;
    this.element = h("div", { class: "files" }, this.#chooser, textElement("small", words), this.#list);
    this.#chooser.addEventListener("change", () => {
      this.#add([...(this.#chooser.files ?? [])]);
      this.#chooser.value = ""; // the same file may be chosen again after it was taken out
    });
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.element.toggleAttribute("data-over", true);
    });
    this.element.addEventListener("dragleave", () => this.element.removeAttribute("data-over"));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.element.removeAttribute("data-over");
      this.#add([...(event.dataTransfer?.files ?? [])]);
    });
  }

  get files() {
    return /** @type {readonly File[]} */ (this.#files);
  }

  clear() {
    this.#files = [];
    this.#show();
  }

  focus() {
    this.#chooser.focus();
  }

  #add(/** @type {File[]} */ files) {
    this.#files = [...this.#files, ...files];
    if (this.#most !== null) this.#files = this.#files.slice(-this.#most);
    this.#show();
    this.changed();
  }

  #show() {
    for (const address of this.#previews) URL.revokeObjectURL(address);
    this.#previews = [];
    this.#list.replaceChildren(...this.#files.map((file) => this.#row(file)));
    this.#list.hidden = this.#files.length === 0;
  }

  #row(/** @type {File} */ file) {
    const remove = h("button", { type: "button", "aria-label": `Take out ${file.name}` }, "Take out");
    remove.addEventListener("click", () => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#show();
      this.focus();
      this.changed();
    });
    const preview = file.type.startsWith("image/") ? [h("img", { src: this.#preview(file), alt: "" })] : [];
    return h(
      "li",
      {},
      ...preview,
      textElement("span", file.name),
      textElement("span", fileSize(file.size), "faint"),
      remove,
    );
  }

  #preview(/** @type {File} */ file) {
    const address = URL.createObjectURL(file);
    this.#previews.push(address);
    return address;
  }
}

/** `image/jpeg` is `jpeg` to a person. */
function shortType(/** @type {string} */ type) {
  return type.split("/").at(-1) ?? type;
}
