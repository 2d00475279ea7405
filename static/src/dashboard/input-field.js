// @ts-check
/** One input of a model as a labelled control: its default, its help, its files, and what is wrong with it. */
import { h, setText } from "../element/dom.js";
import { FilePicker } from "./file-picker.js";

/** @typedef {import("../client/types.js").ModelInput} FieldInput */

let count = 0;

export class InputField {
  #control;
  #wrong;
  #picker;

  constructor(/** @type {FieldInput} */ input) {
    count += 1;
    const id = `input-${count}`;
    this.input = input;
    this.#control = control(input);
    this.#control.id = id;
    this.#picker = picker(input, () => this.#choose());
    this.#control.required = input.required;
    this.#control.setAttribute("aria-describedby", `${id}-help ${id}-wrong`);
    this.#wrong = h("p", { id: `${id}-wrong`, class: "wrong" });
    this.#control.addEventListener("input", () => this.complain([]));
    this.element = h(
      "div",
      { class: wide(input) ? "field wide" : "field", "data-required": input.required },
      h("label", { for: id }, input.label),
      ...(this.#picker ? [this.#picker.element] : []),
      this.#control,
      h("small", { id: `${id}-help` }, helpText(input)),
      this.#wrong,
    );
    this.value = input.default;
  }

  /** What is sent for it; undefined where nothing is. A default that was taken out is sent as the empty text it is. */
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
    this.complain([]);
  }

  /** The files that were chosen for it. */
  get files() {
    return this.#picker?.files ?? [];
  }

  /** Show what is wrong with it; nothing clears that. */
  complain(/** @type {string[]} */ messages) {
    setText(this.#wrong, messages.map((message) => `${this.input.label} ${message}.`).join(" "));
    if (messages.length) this.#control.setAttribute("aria-invalid", "true");
    else this.#control.removeAttribute("aria-invalid");
  }

  focus() {
    this.#control.focus();
  }

  /** One file is instead of an address, and not beside it. */
  #choose() {
    this.#control.required = this.input.required && !this.files.length;
    this.element.toggleAttribute("data-required", this.#control.required);
    if (this.input.type === "fileinput" && this.files.length) this.#control.value = "";
    this.#control.disabled = this.input.type === "fileinput" && this.files.length > 0;
    this.complain([]);
  }
}

/** @returns {HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement} */
function control(/** @type {FieldInput} */ input) {
  if (input.type === "select") {
    const none = input.default === null ? [new Option("", "")] : [];
    const choice = h("select");
    choice.append(...none, ...input.options.map(({ value, label }) => new Option(label, value)));
    return choice;
  }
  if (input.type === "textarea") return h("textarea", { rows: "3" });
  if (isList(input)) return h("textarea", { rows: "2", spellcheck: "false", placeholder: "https://…" });
  if (input.type === "fileinput")
    return h("input", { inputmode: "url", autocomplete: "off", placeholder: "https://…" });
  // No type="number": it hands out nothing at all for what is no number, and the relay could not say so.
  if (input.type === "number") return h("input", { inputmode: "decimal", autocomplete: "off" });
  return h("input", { autocomplete: "off" });
}

/**
 * @param {FieldInput} input
 * @param {() => void} changed
 */
function picker({ type, part, label, accept = [], limits }, changed) {
  if (!part || !["fileinput", "multifileinput", "combinefileinput"].includes(type)) return null;
  const most = type === "fileinput" ? 1 : (limits.max_items ?? null);
  return new FilePicker({ label, accept, most, changed });
}

function isList(/** @type {FieldInput} */ { type }) {
  return type === "combinefileinput" || type === "multifileinput";
}

function wide(/** @type {FieldInput} */ input) {
  return !["select", "number"].includes(input.type);
}

/** Its help, and those of its limits that a person needs to know. */
function helpText(/** @type {FieldInput} */ input) {
  const { help, limits, part } = input;
  const { minimum = null, maximum = null, max_items: most = null } = limits;
  const parts = help ? [/[.!?:]$/.test(help) ? help : `${help}.`] : [];
  if (minimum !== null && maximum !== null && maximum - minimum < 1e6) parts.push(`${minimum} to ${maximum}.`);
  const files = part ? "Files, or one address" : "One address";
  if (isList(input)) parts.push(`${files} on each line${most === null ? "" : `, ${most} at most`}.`);
  if (input.type === "fileinput" && part) parts.push("A file, or an address.");
  return parts.join(" ");
}
