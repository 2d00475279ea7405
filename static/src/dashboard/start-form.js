// @ts-check
/**
 * The form that starts a task: with controls for the chosen model, or with its input as JSON. Files are sent as separate
 * parts; addresses stay in the input.
 */
import { Problem } from "../client/problem.js";
import { ModelForm } from "./model-form.js";
import { showProblem } from "./problem-view.js";
import { startWithFiles } from "./upload.js";

/** @import { Api, StartBody, Started } from "./api.js" */
/** @import { Model } from "./model.js" */
/** @import { Attachment } from "./upload.js" */

export class StartForm {
  #form;
  #api;
  #key;
  #onStart;
  #inputs;
  /** @type {Model[]} */
  #models = [];
  #attempt = { body: "", idempotencyKey: "" };

  /**
   * @param {HTMLFormElement} form
   * @param {object} options
   * @param {() => Api} options.api
   * @param {() => string} options.key returns the API key
   * @param {(started: Started) => void} options.onStart
   */
  constructor(form, { api, key, onStart }) {
    this.#form = form;
    this.#api = api;
    this.#key = key;
    this.#onStart = onStart;
    this.#inputs = new ModelForm(this.#part("inputs"));
    this.#field("model").addEventListener("change", () => this.#modelChanged());
    this.#field("json").addEventListener("change", () => this.#toggleJson());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#setModels([]);
  }

  /** Load the models, once. */
  async load() {
    if (this.#models.length) return;
    const { models } = await this.#api().models();
    this.#setModels(models.filter(({ available }) => available));
  }

  #field(/** @type {string} */ name) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  #part(/** @type {string} */ name) {
    return /** @type {HTMLElement} */ (this.#form.querySelector(`[data-is="${name}"]`));
  }

  get #model() {
    return this.#models.find(({ model, provider }) => `${provider}:${model}` === this.#field("model").value);
  }

  get #isJson() {
    return !this.#model || this.#field("json").checked;
  }

  #setModels(/** @type {Model[]} */ models) {
    this.#models = models;
    this.#field("model").replaceChildren(
      ...models.map(({ model, provider }) => new Option(model, `${provider}:${model}`)),
      new Option("another model…", ""),
    );
    this.#modelChanged();
  }

  #modelChanged() {
    const model = this.#model;
    this.#part("other").hidden = model !== undefined;
    this.#part("kind").hidden = model === undefined;
    this.#part("about").textContent = model ? [model.title, model.description].filter(Boolean).join(". ") : "";
    showProblem(this.#part("problem"), null);
    if (model) this.#inputs.show(model);
    if (model && this.#field("json").checked) this.#writeJson();
    this.#renderKind();
  }

  /** Convert the controls to JSON, or back. Invalid JSON is kept for correction. */
  #toggleJson() {
    const input = this.#field("json").checked ? this.#inputs.values : this.#readJson();
    showProblem(this.#part("problem"), input ? null : notAnObject());
    if (this.#field("json").checked) this.#writeJson();
    else if (input && this.#model) this.#inputs.show(this.#model, input);
    else this.#field("json").checked = true;
    this.#renderKind();
  }

  #renderKind() {
    this.#part("inputs").hidden = this.#isJson;
    this.#part("raw").hidden = !this.#isJson;
  }

  #writeJson() {
    this.#field("input").value = JSON.stringify(this.#inputs.values, null, 2);
  }

  /** @returns {Record<string, unknown>|null} null if the text is not a JSON object */
  #readJson() {
    try {
      const input = JSON.parse(this.#field("input").value);
      return typeof input === "object" && !Array.isArray(input) ? input : null;
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }

  async #submit() {
    const container = this.#part("problem");
    const button = /** @type {HTMLButtonElement} */ (this.#part("start"));
    if (!this.#model && !this.#field("other").reportValidity()) return;
    button.disabled = true;
    try {
      showProblem(container, null);
      this.#inputs.showErrors([]);
      this.#onStart(await this.#send(this.#body(), this.#isJson ? [] : this.#inputs.files));
      this.#attempt = { body: "", idempotencyKey: "" };
    } catch (error) {
      showProblem(container, this.#showErrors(error));
    } finally {
      button.disabled = false;
      this.#part("sending").hidden = true;
    }
  }

  /**
   * @param {StartBody} body
   * @param {Attachment[]} attachments
   */
  #send(body, attachments) {
    const files = attachments.map(({ part, file }) => [part, file.name, file.size, file.lastModified]);
    const idempotencyKey = this.#idempotencyKey(JSON.stringify([body, files]));
    if (!attachments.length) return this.#api().start(body, idempotencyKey);
    const bar = /** @type {HTMLProgressElement} */ (this.#part("sent"));
    this.#part("sending").hidden = false;
    return startWithFiles(this.#key(), body, attachments, {
      idempotencyKey,
      onProgress: (share) => {
        bar.value = share;
        const text =
          share < 1 ? `Uploading files: ${Math.floor(share * 100)} %` : "Uploaded. The relay is checking the files.";
        this.#part("sent-words").textContent = text;
      },
    });
  }

  /** @returns {StartBody} */
  #body() {
    const input = this.#isJson ? this.#readJson() : this.#inputs.values;
    if (!input) throw notAnObject();
    const { model, provider } = this.#model ?? { model: this.#field("other").value.trim() };
    const tags = [
      ...new Set(
        this.#field("tags")
          .value.split(/[\s,]+/)
          .filter(Boolean),
      ),
    ];
    return { model, input, ...(provider && { provider }), ...(tags.length && { tags }) };
  }

  /** Show errors at their controls, and return the error that is left to show. */
  #showErrors(/** @type {unknown} */ error) {
    if (!(error instanceof Problem) || this.#isJson || !error.errors.length) return error;
    const errors = this.#inputs.showErrors(error.errors);
    if (errors.length === error.errors.length) return error;
    const detail = "The task was not started. Correct the marked inputs.";
    return new Problem(error.status, error.title, { detail, errors, upstream: error.upstream });
  }

  /** Repeating a start whose response was lost uses the same key, so that no billable run is started twice. */
  #idempotencyKey(/** @type {string} */ body) {
    if (this.#attempt.body !== body) {
      const random = crypto.getRandomValues(new Uint8Array(16));
      this.#attempt = {
        body,
        idempotencyKey: Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join(""),
      };
    }
    return this.#attempt.idempotencyKey;
  }
}

function notAnObject() {
  return new Problem(0, "The input is not a JSON object");
}
