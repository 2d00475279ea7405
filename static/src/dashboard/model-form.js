// @ts-check
/** The inputs of one model as controls, and its sample inputs as one-click chips. */
import { h, textElement } from "../element/dom.js";
import { InputField } from "./input-field.js";

/** @typedef {import("../client/types.js").Model} Model */
/** @typedef {import("../client/problem.js").FieldError} FieldError */

export class ModelForm {
  #place;
  /** @type {Map<string, InputField>} */
  #fields = new Map();

  constructor(/** @type {HTMLElement} */ place) {
    this.#place = place;
  }

  /**
   * Draw a model's inputs with their defaults, and write `values` over them.
   *
   * @param {Model} model
   * @param {Record<string, unknown>} [values] without it, the prompt that stood there before
   */
  show(model, values = this.#prompt) {
    this.#fields = new Map(model.inputs.map((input) => [input.name, new InputField(input)]));
    this.#place.replaceChildren(...this.#chips(model), ...[...this.#fields.values()].map(({ element }) => element));
    this.fill(values);
  }

  /** @returns {Record<string, unknown>} empty where nobody has written one */
  get #prompt() {
    const prompt = this.#fields.get("prompt");
    const written = prompt?.value ?? null;
    return prompt && written !== null && written !== prompt.input.default ? { prompt: written } : {};
  }

  /** The input as it would be sent. @returns {Record<string, unknown>} */
  get values() {
    const entries = [...this.#fields].map(([name, field]) => [name, field.value]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** The files that were chosen, each with the part of the form that it is sent as. */
  get files() {
    return [...this.#fields.values()].flatMap(({ input, files }) =>
      files.map((file) => ({ part: input.part ?? input.name, file })),
    );
  }

  /** Write values into their controls; the others stay as they are. */
  fill(/** @type {Record<string, unknown>} */ values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.#fields.get(name);
      if (field) field.value = value;
    }
  }

  /**
   * Show each error at its control, and lead to the first.
   *
   * @param {FieldError[]} errors their fields begin with `input.`
   * @returns {FieldError[]} those that have no control
   */
  complain(errors) {
    /** @type {Map<string, string[]>} */
    const messages = new Map();
    const others = errors.filter(({ field, message }) => {
      const [, named, item] = /^input\.(.*?)(?:\.(\d+))?$/.exec(field) ?? [];
      const name = named !== undefined && this.#nameOf(named);
      if (!name) return true;
      const words = item === undefined ? message : `(entry ${Number(item) + 1}) ${message}`;
      messages.set(name, [...(messages.get(name) ?? []), words]);
      return false;
    });
    for (const [name, field] of this.#fields) field.complain(messages.get(name) ?? []);
    [...this.#fields.values()].find(({ input }) => messages.has(input.name))?.focus();
    return others;
  }

  /** An input is complained of by its own name, or by that of the part that its files came as. */
  #nameOf(/** @type {string} */ named) {
    if (this.#fields.has(named)) return named;
    return [...this.#fields.values()].find(({ input }) => input.part === named)?.input.name;
  }

  #chips(/** @type {Model} */ model) {
    const chips = model.inspires.map((sample) => {
      const words = Object.values(sample).join(", ");
      const chip = h("button", { type: "button", class: "chip", title: words }, words);
      chip.addEventListener("click", () => this.fill(sample));
      return chip;
    });
    if (!chips.length) return [];
    const label = textElement("span", "Try one of these:", "faint");
    return [h("div", { class: "chips wide", role: "group", "aria-label": "Samples" }, label, ...chips)];
  }
}
