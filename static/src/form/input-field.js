// @ts-check
/** One input of a model as a labelled control, with its default, help, files and errors. */
import { h, setText } from "../element/dom.js";
import { FilePicker } from "./file-picker.js";

/** @import { ModelInput } from "./model.js" */

let count = 0;

export class InputField {
  #control;
  #error;
  #picker;

  constructor(/** @type {ModelInput} */ input) {
    count += 1;
    const id = `input-${count}`;
    this.input = input;
    this.#control = createControl(input);
    this.#control.id = id;
    this.#picker = createPicker(input, () => this.#filesChanged());
    this.#control.required = input.required;
    this.#control.setAttribute("aria-describedby", `${id}-help ${id}-error`);
    this.#error = h("p", { id: `${id}-error`, class: "wrong" });
    this.#control.addEventListener("input", () => this.showErrors([]));
    this.element = h(
      "div",
      { class: isWide(input) ? "field wide" : "field", "data-required": input.required },
      h("label", { for: id }, input.label),
      ...(this.#picker ? [this.#picker.element] : []),
      this.#control,
      h("small", { id: `${id}-help` }, helpText(input)),
      this.#error,
    );
    this.value = input.default;
  }

  /** The value to send; undefined sends none. If the reader cleared a default, the empty text is sent. */
  get value() {
    const text = this.#control.value;
    if (isList(this.input)) {
      const entries = text
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean);
      if (!entries.length) return undefined;
      return this.input.type === "multifileinput" ? entries.join(",") : entries;
    }
    if (text === "" && this.files.length) return undefined;
    return text === "" && this.input.default === null ? undefined : text;
  }

  set value(/** @type {unknown} */ value) {
    const entries = this.input.type === "multifileinput" && typeof value === "string" ? value.split(",") : value;
    this.#control.value = Array.isArray(entries) ? entries.join("\n") : String(value ?? "");
    this.showErrors([]);
  }

  /** The files that were chosen. */
  get files() {
    return this.#picker?.files ?? [];
  }

  /** Return whether it accepts files of this type. */
  takes(/** @type {File} */ file) {
    return this.#picker?.takes(file) ?? false;
  }

  addFiles(/** @type {File[]} */ files) {
    this.#picker?.add(files.filter((file) => this.takes(file)));
  }

  /** Show what is wrong with the value; an empty list clears it. */
  showErrors(/** @type {string[]} */ messages) {
    setText(this.#error, messages.map((message) => `${this.input.label} ${message}.`).join(" "));
    if (messages.length) this.#control.setAttribute("aria-invalid", "true");
    else this.#control.removeAttribute("aria-invalid");
  }

  focus() {
    this.#control.focus();
  }

  /** A single file replaces an address. */
  #filesChanged() {
    this.#control.required = this.input.required && !this.files.length;
    this.element.toggleAttribute("data-required", this.#control.required);
    if (this.input.type === "fileinput" && this.files.length) this.#control.value = "";
    this.#control.disabled = this.input.type === "fileinput" && this.files.length > 0;
    this.#control.hidden = this.#control.disabled;
    this.showErrors([]);
  }
}

/** @returns {HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement} */
function createControl(/** @type {ModelInput} */ input) {
  if (input.type === "select") {
    const none = input.default === null ? [new Option("", "")] : [];
    const choice = h("select");
    choice.append(...none, ...input.options.map(({ value, label }) => new Option(label, value)));
    return choice;
  }
  if (input.type === "textarea") return h("textarea", { rows: "3" });
  if (isList(input)) return h("textarea", { rows: "2", spellcheck: "false", placeholder: "https://…" });
  if (input.type === "fileinput") {
    return h("input", { inputmode: "url", autocomplete: "off", placeholder: "https://…" });
  }
  // type="number" would return an empty value for an invalid number, and the relay could not report the error.
  if (input.type === "number") return h("input", { inputmode: "decimal", autocomplete: "off" });
  return h("input", { autocomplete: "off" });
}

/**
 * @param {ModelInput} input
 * @param {() => void} onChange
 */
function createPicker({ type, part, label, accept = [], limits }, onChange) {
  if (!part || !["fileinput", "multifileinput", "combinefileinput"].includes(type)) return null;
  const maximum = type === "fileinput" ? 1 : (limits.max_items ?? null);
  return new FilePicker({ label, accept, maximum, onChange });
}

function isList(/** @type {ModelInput} */ { type }) {
  return type === "combinefileinput" || type === "multifileinput";
}

function isWide(/** @type {ModelInput} */ input) {
  return !["select", "number"].includes(input.type);
}

/** Return the help for an input and the limits that matter to people. */
function helpText(/** @type {ModelInput} */ input) {
  const { help, limits, part } = input;
  const { minimum = null, maximum = null, max_items: maxItems = null } = limits;
  const sentences = help ? [/[.!?:]$/.test(help) ? help : `${help}.`] : [];
  if (minimum !== null && maximum !== null && maximum - minimum < 1e6) sentences.push(`${minimum} to ${maximum}.`);
  const subject = part ? "Files, or one address" : "One address";
  if (isList(input)) sentences.push(`${subject} per line${maxItems === null ? "" : `, at most ${maxItems}`}.`);
  if (input.type === "fileinput" && part) sentences.push("A file, or an address.");
  return sentences.join(" ");
}
