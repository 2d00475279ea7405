// @ts-check
/** Chooses a model: one of the catalogue, or any other by its name, whose inputs the relay asks the platform for. */
import { Problem } from "../client/problem.js";
import { setText } from "../element/dom.js";

/** @import { ModelName } from "./drafts.js" */
/** @import { Model } from "../form/model.js" */

/** The description is requested this long after the last key. */
const TYPING_MS = 400;
const NAME = /^[^/\s]+\/[^/\s]+$/;

export class ModelChoice {
  #select;
  #name;
  #about;
  #find;
  #onChange;
  /** @type {Model[]} */
  #models = [];
  /** The descriptions that were requested, by name; null if there is none. @type {Map<string, Promise<Model|null>>} */
  #requested = new Map();
  /** @type {Model|null} the description of the model that was named */
  #found = null;
  /** The provider of a model that another task names. */
  #provider = "";
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #typing;

  /**
   * @param {object} parts
   * @param {HTMLSelectElement} parts.select
   * @param {HTMLInputElement} parts.name the name of a model that is not in the catalogue
   * @param {HTMLElement} parts.about describes the model
   * @param {(name: ModelName) => Promise<Model>} parts.find
   * @param {() => void} parts.onChange called when another model is chosen, or its description has arrived
   */
  constructor({ select, name, about, find, onChange }) {
    this.#select = select;
    this.#name = name;
    this.#about = about;
    this.#find = find;
    this.#onChange = onChange;
    select.addEventListener("change", () => {
      this.#provider = "";
      this.#changed();
      if (!this.#isListed) name.focus();
    });
    name.addEventListener("input", () => {
      clearTimeout(this.#typing);
      this.#provider = "";
      this.#typing = setTimeout(() => this.#changed(), TYPING_MS);
    });
  }

  get models() {
    return this.#models;
  }

  set models(/** @type {Model[]} */ models) {
    this.#models = models;
    this.#select.replaceChildren(
      ...models.map(({ model, provider }) => new Option(model, `${provider}:${model}`)),
      new Option("another model…", ""),
    );
    this.#changed();
  }

  /** The description of the chosen model; null if it is unknown. @returns {Model|null} */
  get model() {
    return this.#listed ?? this.#found;
  }

  /** The name of the chosen model, as a start needs it. @returns {ModelName} */
  get name() {
    const { model, provider } = this.model ?? { model: this.#name.value.trim(), provider: this.#provider };
    return { model, ...(provider && { provider }) };
  }

  /** Choose a model by its name. */
  choose(/** @type {ModelName} */ { model, provider = "" }) {
    const listed = this.#models.find((each) => each.model === model && (!provider || each.provider === provider));
    this.#select.value = listed ? `${listed.provider}:${listed.model}` : "";
    this.#name.value = listed ? "" : model;
    this.#provider = provider;
    return this.#changed();
  }

  /** Wait for the description of the model that was named. Return false if the name is not valid. */
  async settle() {
    if (this.#isListed) return true;
    if (!this.#name.reportValidity()) return false;
    await this.#changed();
    return true;
  }

  get #listed() {
    return this.#models.find(({ model, provider }) => `${provider}:${model}` === this.#select.value);
  }

  get #isListed() {
    return this.#listed !== undefined;
  }

  async #changed() {
    clearTimeout(this.#typing);
    const field = /** @type {HTMLElement} */ (this.#name.parentElement);
    field.hidden = this.#isListed;
    const name = this.#name.value.trim();
    if (this.#isListed || !NAME.test(name)) {
      this.#show(null, describe(this.#listed ?? null) || "Enter the name of a model, such as owner/model.");
      return;
    }
    const key = `${this.#provider}:${name}`;
    if (!this.#requested.has(key)) {
      this.#show(null, "Looking up its inputs…");
      this.#requested.set(key, this.#request({ model: name, provider: this.#provider }));
    }
    const found = await this.#requested.get(key);
    if (this.#isListed || this.#name.value.trim() !== name) return; // another one was chosen meanwhile
    const about = found ? describe(found) || "Its inputs come from the platform." : NOT_DESCRIBED;
    if (this.#found !== found || !found) this.#show(found ?? null, about);
  }

  #show(/** @type {Model|null} */ found, /** @type {string} */ about) {
    this.#found = found;
    setText(this.#about, about);
    this.#onChange();
  }

  /** @returns {Promise<Model|null>} */
  async #request(/** @type {ModelName} */ name) {
    try {
      return await this.#find(name);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status !== 404) this.#requested.delete(`${name.provider}:${name.model}`); // try again later
      return null;
    }
  }
}

const NOT_DESCRIBED = "The platform does not describe this model. Enter its input as JSON.";

function describe(/** @type {Model|null} */ model) {
  return [model?.title, model?.description].filter(Boolean).join(". ");
}
