// @ts-check
/** The inputs of a model as controls, with buttons that fill in sample inputs. */
import { h, textElement } from "../element/dom.js";
import { InputField } from "./input-field.js";

/** @import { FieldError } from "../client/problem.js" */
/** @import { Model } from "./model.js" */

export class ModelForm {
  #container;
  /** @type {Map<string, InputField>} */
  #fields = new Map();

  constructor(/** @type {HTMLElement} */ container) {
    this.#container = container;
  }

  /**
   * Show the inputs of a model with their defaults, and overwrite them with `values`.
   *
   * @param {Model} model
   * @param {Record<string, unknown>} [values] defaults to the prompt that was entered before
   */
  show(model, values = this.#enteredPrompt) {
    this.#fields = new Map(model.inputs.map((input) => [input.name, new InputField(input)]));
    this.#container.replaceChildren(
      ...this.#samples(model),
      ...[...this.#fields.values()].map(({ element }) => element),
    );
    this.fill(values);
  }

  /** @returns {Record<string, unknown>} empty if no prompt was entered */
  get #enteredPrompt() {
    const field = this.#fields.get("prompt");
    const prompt = field?.value ?? null;
    return field && prompt !== null && prompt !== field.input.default ? { prompt } : {};
  }

  /** The input as it would be sent. @returns {Record<string, unknown>} */
  get values() {
    const entries = [...this.#fields].map(([name, field]) => [name, field.value]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** The files that were chosen, each with the name of its form part. */
  get files() {
    return [...this.#fields.values()].flatMap(({ input, files }) =>
      files.map((file) => ({ part: input.part ?? input.name, file })),
    );
  }

  /**
   * Add files to the input that contains a node, or else to the first one that takes such files.
   *
   * @param {File[]} files
   * @param {Node} place
   * @returns {boolean} whether an input took them
   */
  addFiles(files, place) {
    const fields = [...this.#fields.values()];
    const target = fields.find(({ element }) => element.contains(place));
    const taking = [...(target ? [target] : []), ...fields].find((field) => files.some((file) => field.takes(file)));
    taking?.addFiles(files);
    return taking !== undefined;
  }

  /** Write values into their controls; other controls are left alone. */
  fill(/** @type {Record<string, unknown>} */ values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.#fields.get(name);
      if (field) field.value = value;
    }
  }

  /**
   * Show each error at its control and focus the first one.
   *
   * @param {FieldError[]} errors with fields such as `input.size`
   * @returns {FieldError[]} the errors that have no control
   */
  showErrors(errors) {
    /** @type {Map<string, string[]>} */
    const messages = new Map();
    const others = errors.filter(({ field, message }) => {
      const [, target, item] = /^input\.(.*?)(?:\.(\d+))?$/.exec(field) ?? [];
      const name = target !== undefined && this.#nameFor(target);
      if (!name) return true;
      const text = item === undefined ? message : `(entry ${Number(item) + 1}) ${message}`;
      messages.set(name, [...(messages.get(name) ?? []), text]);
      return false;
    });
    for (const [name, field] of this.#fields) field.showErrors(messages.get(name) ?? []);
    [...this.#fields.values()].find(({ input }) => messages.has(input.name))?.focus();
    return others;
  }

  /** An error names the input, or the form part that carries its files. */
  #nameFor(/** @type {string} */ target) {
    if (this.#fields.has(target)) return target;
    return [...this.#fields.values()].find(({ input }) => input.part === target)?.input.name;
  }

  #samples(/** @type {Model} */ model) {
    const chips = model.inspires.map((sample) => {
      const text = Object.values(sample).join(", ");
      const chip = h("button", { type: "button", class: "chip", title: text }, textElement("span", text));
      chip.addEventListener("click", () => this.fill(sample));
      return chip;
    });
    if (!chips.length) return [];
    const label = textElement("span", "Try one of these:", "faint");
    return [h("div", { class: "chips wide", role: "group", "aria-label": "Samples" }, label, ...chips)];
  }
}
