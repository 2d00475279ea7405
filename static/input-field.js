// @ts-check
/** One input of a model as a labelled control: its default, its help, and what is wrong with it. */
import { h, setText } from "./dom.js";

/** @typedef {import("./types.js").ModelInput} ModelInput */

let count = 0;

export class InputField {
  #control;
  #wrong;

  constructor(/** @type {ModelInput} */ input) {
    const id = `input-${(count += 1)}`;
    this.input = input;
    this.#control = control(input);
    this.#control.id = id;
    this.#control.required = input.required;
    this.#control.setAttribute("aria-describedby", `${id}-help ${id}-wrong`);
    this.#wrong = h("p", { id: `${id}-wrong`, class: "wrong" });
    this.#control.addEventListener("input", () => this.complain([]));
    this.element = h(
      "div",
      { class: wide(input) ? "field wide" : "field" },
      h("label", { for: id }, input.label),
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
      const entries = text.split("\n").map((line) => line.trim());
      return entries.some(Boolean) ? entries.filter(Boolean) : undefined;
    }
    return text === "" && this.input.default === null ? undefined : text;
  }

  set value(/** @type {unknown} */ value) {
    this.#control.value = Array.isArray(value) ? value.join("\n") : String(value ?? "");
    this.complain([]);
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
}

/** @returns {HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement} */
function control(/** @type {ModelInput} */ input) {
  if (input.type === "select") {
    const none = input.default === null ? [new Option("", "")] : [];
    const choice = h("select");
    choice.append(...none, ...input.options.map(({ value, label }) => new Option(label, value)));
    return choice;
  }
  if (input.type === "textarea") return h("textarea", { rows: "3" });
  if (isList(input)) return h("textarea", { rows: "2", spellcheck: "false", placeholder: "https://…" });
  // No type="number": it hands out nothing at all for what is no number, and the relay could not say so.
  if (input.type === "number") return h("input", { inputmode: "decimal", autocomplete: "off" });
  return h("input", { autocomplete: "off" });
}

function isList(/** @type {ModelInput} */ { type }) {
  return type === "combinefileinput";
}

function wide(/** @type {ModelInput} */ input) {
  return !["select", "number"].includes(input.type);
}

/** Its help, and those of its limits that a person needs to know. */
function helpText(/** @type {ModelInput} */ { help, limits, type }) {
  const { minimum = null, maximum = null, max_items: most = null } = limits;
  const parts = help ? [/[.!?:]$/.test(help) ? help : `${help}.`] : [];
  if (minimum !== null && maximum !== null && maximum - minimum < 1e6) parts.push(`${minimum} to ${maximum}.`);
  if (type === "combinefileinput") parts.push(`One address on each line${most === null ? "" : `, ${most} at most`}.`);
  return parts.join(" ");
}
