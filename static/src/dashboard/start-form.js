// @ts-check
/**
 * The form that starts a task: with controls for the chosen model, or with its input as JSON. Files are sent as separate
 * parts; addresses stay in the input. What was entered is kept for each model.
 */
import { DEFAULT_BASE } from "../client/base.js";
import { Problem } from "../client/problem.js";
import { EstimateView } from "../form/estimate-view.js";
import { ModelForm } from "../form/model-form.js";
import { showProblem } from "../form/problem-view.js";
import { StartRequest } from "../form/start-request.js";
import { deleteDraft, lastModel, readDraft, writeDraft } from "./drafts.js";
import { ModelChoice } from "./model-choice.js";

/** @import { StartBody, Started } from "../client/start-call.js" */
/** @import { Api } from "./api.js" */
/** @import { Model } from "../form/model.js" */

/**
 * What fills the form: an earlier task with its input.
 *
 * @typedef {object} Filling
 * @property {string} model
 * @property {string} [provider]
 * @property {Record<string, unknown>} input
 * @property {string|null} [title]
 * @property {readonly string[]} [tags]
 */

export class StartForm {
  #form;
  #api;
  #onStart;
  #choice;
  #inputs;
  #estimate;
  #request;
  /** The model whose inputs are shown. @type {Model|null} */
  #shown = null;
  /** @type {Promise<void>|null} */
  #loading = null;

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
    this.#onStart = onStart;
    this.#inputs = new ModelForm(this.#part("inputs"));
    this.#estimate = new EstimateView(
      this.#part("estimate"),
      async (body) => (key() ? api().estimate(body) : { usual: null }), // the reader may have signed out meanwhile
    );
    this.#request = new StartRequest({ base: DEFAULT_BASE, key, onProgress: (share) => this.#showUpload(share) });
    this.#choice = new ModelChoice({
      select: /** @type {HTMLSelectElement} */ (form.elements.namedItem("model")),
      name: this.#field("other"),
      about: this.#part("about"),
      find: (name) => api().model(name),
      onChange: () => this.#modelChanged(),
    });
    this.#field("json").addEventListener("change", () => this.#toggleJson());
    this.#part("reset").addEventListener("click", () => this.#reset());
    form.addEventListener("input", ({ target }) => {
      const { name } = /** @type {HTMLInputElement} */ (target);
      if (name !== "model" && name !== "other") this.#keepDraft(); // the inputs are still those of the model before
    });
    form.addEventListener("change", () => this.#updateEstimate());
    form.addEventListener("paste", (event) => this.#paste(event));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#choice.models = [];
  }

  /** Load the models, once, and show the one that was edited last. */
  load() {
    this.#loading ??= this.#loadModels().catch((error) => {
      this.#loading = null; // try again with the next call
      throw error;
    });
    return this.#loading;
  }

  /** Fill the form with the input of an earlier task, so that it can be edited and run again. */
  async fill(/** @type {Filling} */ { model, provider, input, title, tags = [] }) {
    await this.load();
    await this.#choice.choose({ model, provider });
    this.#field("json").checked = false;
    this.#field("title").value = title ?? "";
    this.#field("tags").value = tags.join(", ");
    this.#show(input);
    this.#keepDraft();
  }

  async #loadModels() {
    const { models } = await this.#api().models();
    this.#choice.models = models.filter(({ available }) => available);
    const last = lastModel();
    if (last) await this.#choice.choose(last);
  }

  #field(/** @type {string} */ name) {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem(name));
  }

  #part(/** @type {string} */ name) {
    return /** @type {HTMLElement} */ (this.#form.querySelector(`[data-is="${name}"]`));
  }

  get #isJson() {
    return !this.#choice.model || this.#field("json").checked;
  }

  #modelChanged() {
    const { model, name } = this.#choice;
    const draft = name.model ? readDraft(name) : null;
    // Without a description, the input was entered as JSON. Controls that replace it continue from there.
    const entered = model && !this.#shown && this.#form.contains(document.activeElement) ? this.#readJson() : null;
    if (draft) {
      this.#field("title").value = draft.title;
      this.#field("tags").value = draft.tags;
    }
    showProblem(this.#part("problem"), null);
    this.#show(draft?.input ?? entered ?? undefined);
  }

  /** Show the inputs of the chosen model, or its input as JSON. */
  #show(/** @type {Record<string, unknown>|undefined} */ input) {
    const { model } = this.#choice;
    this.#shown = model;
    if (model) this.#inputs.show(model, input);
    else if (input) this.#field("input").value = JSON.stringify(input, null, 2);
    if (model && this.#field("json").checked) this.#writeJson();
    this.#part("kind").hidden = model === null;
    this.#renderKind();
    this.#estimate.show(model?.usual ?? null);
    this.#updateEstimate();
  }

  /** Convert the controls to JSON, or back. Invalid JSON is kept for correction. */
  #toggleJson() {
    const input = this.#field("json").checked ? this.#inputs.values : this.#readJson();
    showProblem(this.#part("problem"), input ? null : notAnObject());
    if (this.#field("json").checked) this.#writeJson();
    else if (input && this.#choice.model) this.#inputs.show(this.#choice.model, input);
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

  #keepDraft() {
    const { name } = this.#choice;
    const input = this.#isJson ? this.#readJson() : this.#inputs.values;
    if (!name.model || !input) return;
    writeDraft(name, { input, title: this.#field("title").value, tags: this.#field("tags").value });
  }

  /** Show the defaults of the model again. */
  #reset() {
    deleteDraft(this.#choice.name);
    this.#field("title").value = "";
    this.#field("tags").value = "";
    this.#field("input").value = '{"prompt": ""}';
    showProblem(this.#part("problem"), null);
    this.#show({});
  }

  #updateEstimate() {
    const { model, name } = this.#choice;
    const input = this.#isJson ? this.#readJson() : this.#inputs.values;
    if (input && model) this.#estimate.update({ ...name, input });
  }

  /** Add pasted pictures to the input that has the focus, or else to the first one that takes files. */
  #paste(/** @type {ClipboardEvent} */ event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (this.#isJson || !files.length) return;
    if (this.#inputs.addFiles(files, /** @type {Node} */ (event.target))) event.preventDefault();
  }

  #showUpload(/** @type {number} */ share) {
    const bar = /** @type {HTMLProgressElement} */ (this.#part("sent"));
    this.#part("sending").hidden = false;
    bar.value = share;
    const text =
      share < 1 ? `Uploading files: ${Math.floor(share * 100)} %` : "Uploaded. The relay is checking the files.";
    this.#part("sent-words").textContent = text;
  }

  async #submit() {
    const container = this.#part("problem");
    const button = /** @type {HTMLButtonElement} */ (this.#part("start"));
    if (!(await this.#choice.settle())) return;
    button.disabled = true;
    try {
      showProblem(container, null);
      this.#inputs.showErrors([]);
      this.#onStart(await this.#request.send(this.#body(), this.#isJson ? [] : this.#inputs.files));
    } catch (error) {
      showProblem(container, this.#showErrors(error));
    } finally {
      button.disabled = false;
      this.#part("sending").hidden = true;
    }
  }

  /** @returns {StartBody} */
  #body() {
    const input = this.#isJson ? this.#readJson() : this.#inputs.values;
    if (!input) throw notAnObject();
    const title = this.#field("title").value.trim();
    const tags = [
      ...new Set(
        this.#field("tags")
          .value.split(/[\s,]+/)
          .filter(Boolean),
      ),
    ];
    return { ...this.#choice.name, input, ...(title && { title }), ...(tags.length && { tags }) };
  }

  /** Show errors at their controls, and return the error that is left to show. */
  #showErrors(/** @type {unknown} */ error) {
    if (!(error instanceof Problem) || this.#isJson || !error.errors.length) return error;
    const errors = this.#inputs.showErrors(error.errors);
    if (errors.length === error.errors.length) return error;
    const detail = "The task was not started. Correct the marked inputs.";
    return new Problem(error.status, error.title, { detail, errors, upstream: error.upstream });
  }
}

function notAnObject() {
  return new Problem(0, "The input is not a JSON object");
}
