// @ts-check
/** Chooses the files for one input, in the browser's dialog, by drag and drop or from the clipboard, with previews. */
import { h, textElement } from "../element/dom.js";
import { fileSize } from "../element/format.js";

export class FilePicker {
  #input;
  #list = h("ul", { hidden: true });
  #accept;
  #maximum;
  #onChange;
  /** @type {File[]} */
  #files = [];
  /** @type {string[]} addresses of the thumbnails */
  #thumbnails = [];

  /**
   * @param {object} options
   * @param {string} options.label
   * @param {readonly string[]} options.accept content types; empty allows any
   * @param {number|null} options.maximum the number of files; null if it is unknown
   * @param {() => void} options.onChange
   */
  constructor({ label, accept, maximum, onChange }) {
    this.#accept = accept;
    this.#maximum = maximum;
    this.#onChange = onChange;
    const isSingle = maximum === 1;
    this.#input = h("input", {
      type: "file",
      "aria-label": `${label}: choose ${isSingle ? "a file" : "files"}`,
      accept: accept.join(","),
      multiple: !isSingle,
    });
    const types = accept.length ? `: ${accept.map(shortType).join(", ")}` : "";
    const hint = `or drop or paste ${isSingle ? "it" : "them"} here${types}`;
    this.element = h("div", { class: "files" }, this.#input, textElement("small", hint), this.#list);
    this.#input.addEventListener("change", () => {
      this.add([...(this.#input.files ?? [])]);
      this.#input.value = ""; // a file that was removed can be chosen again
    });
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.element.toggleAttribute("data-over", true);
    });
    this.element.addEventListener("dragleave", () => this.element.removeAttribute("data-over"));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.element.removeAttribute("data-over");
      this.add([...(event.dataTransfer?.files ?? [])]);
    });
  }

  get files() {
    return /** @type {readonly File[]} */ (this.#files);
  }

  /** Return whether files of this type are accepted. */
  takes(/** @type {File} */ { type }) {
    return !this.#accept.length || this.#accept.some((accepted) => accepted === type || isKind(accepted, type));
  }

  /** Add files. If there is only room for some, the newest are kept. */
  add(/** @type {File[]} */ files) {
    this.#files = [...this.#files, ...files];
    if (this.#maximum !== null) this.#files = this.#files.slice(-this.#maximum);
    this.#render();
    this.#onChange();
  }

  #render() {
    for (const address of this.#thumbnails) URL.revokeObjectURL(address);
    this.#thumbnails = [];
    this.#list.replaceChildren(...this.#files.map((file) => this.#row(file)));
    this.#list.hidden = this.#files.length === 0;
  }

  #row(/** @type {File} */ file) {
    const remove = h("button", { type: "button", "aria-label": `Remove ${file.name}` }, "Remove");
    remove.addEventListener("click", () => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#render();
      this.#input.focus();
      this.#onChange();
    });
    const thumbnail = file.type.startsWith("image/") ? [h("img", { src: this.#thumbnail(file), alt: "" })] : [];
    const [name, size] = [textElement("span", file.name), textElement("span", fileSize(file.size), "faint")];
    return h("li", {}, ...thumbnail, name, size, remove);
  }

  #thumbnail(/** @type {File} */ file) {
    const address = URL.createObjectURL(file);
    this.#thumbnails.push(address);
    return address;
  }
}

/** Return whether `image/*` covers `image/png`. */
function isKind(/** @type {string} */ accepted, /** @type {string} */ type) {
  return accepted.endsWith("/*") && type.startsWith(accepted.slice(0, -1));
}

/** Shorten `image/jpeg` to `jpeg`. */
function shortType(/** @type {string} */ type) {
  return type.split("/").at(-1) ?? type;
}
