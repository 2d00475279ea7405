// @ts-check
/**
 * The form that starts a task: made for the chosen model, or the input as JSON for any other. Files that were chosen go
 * along as parts of their own; addresses stay in the input.
 */

import { Problem } from "../client/problem.js";
import { ModelForm } from "./model-form.js";
import { startWithFiles } from "./operator-calls.js";
import { showProblem } from "./problem-view.js";

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("../client/types.js").Model} Model */

export class StartForm {
  #form;
  #api;
  #key;
  #started;
  #inputs;
  /** @type {Model[]} */
  #models = [];
  #attempt = { body: "", idempotencyKey: "" };

  /**
   * @param {HTMLFormElement} form
   * @param {object} what
   * @param {() => Api} what.api
   * @param {() => string} what.key the API key
   * @param {(answer: {task: import("../client/types.js").Snapshot, links: import("./api.js").Links}) => void} what.started
   */
  constructor(form, { api, key, started }) {
    this.#form = form;
    this.#api = api;
    this.#key = key;
    this.#started = started;
    this.#inputs = new ModelForm(this.#part("inputs"));
    this.#field("model").addEventListener("change", () => this.#chooseModel());
    this.#field("json").addEventListener("change", () => this.#chooseKind());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#offer([]);
  }

  /** Load the models and offer them; those that are offered already stay. */
  async load() {
    if (this.#models.length) return;
    const { models } = await this.#api().models();
    this.#offer(models.filter(({ available }) => available));
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

  #offer(/** @type {Model[]} */ models) {
    this.#models = models;
    this.#field("model").replaceChildren(
      ...models.map(({ model, provider }) => new Option(model, `${provider}:${model}`)),
      new Option("another model…", ""),
    );
    this.#chooseModel();
  }

  #chooseModel() {
    const model = this.#model;
    this.#part("other").hidden = model !== undefined;
    this.#part("kind").hidden = model === undefined;
    this.#part("about").textContent = model ? [model.title, model.description].filter(Boolean).join(". ") : "";
    showProblem(this.#part("problem"), null);
    if (model) this.#inputs.show(model);
    if (model && this.#field("json").checked) this.#writeJson();
    this.#showKind();
  }

  /** From the controls to their JSON and back; JSON that is none stays where it is. */
  #chooseKind() {
    const input = this.#field("json").checked ? this.#inputs.values : this.#readJson();
    showProblem(this.#part("problem"), input ? null : new Problem(0, "The input is no JSON object"));
    if (this.#field("json").checked) this.#writeJson();
    else if (input && this.#model) this.#inputs.show(this.#model, input);
    else this.#field("json").checked = true;
    this.#showKind();
  }

  #showKind() {
    this.#part("inputs").hidden = this.#asJson;
    this.#part("raw").hidden = !this.#asJson;
  }

  get #asJson() {
    return !this.#model || this.#field("json").checked;
  }

  #writeJson() {
    this.#field("input").value = JSON.stringify(this.#inputs.values, null, 2);
  }

  /** @returns {Record<string, unknown>|null} null where what stands there is no JSON object */
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
    const place = this.#part("problem");
    const button = /** @type {HTMLButtonElement} */ (this.#part("start"));
    if (!this.#model && !this.#field("other").reportValidity()) return;
    button.disabled = true;
    try {
      showProblem(place, null);
      this.#inputs.complain([]);
      this.#started(await this.#send(this.#body(), this.#asJson ? [] : this.#inputs.files));
      this.#attempt = { body: "", idempotencyKey: "" };
    } catch (error) {
      showProblem(place, this.#placed(error));
    } finally {
      button.disabled = false;
      this.#part("sending").hidden = true;
    }
  }

  /**
   * @param {{model: string, input: Record<string, unknown>}} body
   * @param {import("./operator-calls.js").Enclosure[]} files
   */
  #send(body, files) {
    const described = files.map(({ part, file }) => [part, file.name, file.size, file.lastModified]);
    const idempotencyKey = this.#keyFor(JSON.stringify([body, described]));
    if (!files.length) return this.#api().start(body, idempotencyKey);
    const bar = /** @type {HTMLProgressElement} */ (this.#part("sent"));
    this.#part("sending").hidden = false;
    return startWithFiles(this.#key(), body, files, {
      idempotencyKey,
      sent: (share) => {
        bar.value = share;
        const words = share < 1 ? `${Math.floor(share * 100)} % of the files sent` : "Sent. The relay checks them.";
        this.#part("sent-words").textContent = words;
      },
    });
  }

  #body() {
    const input = this.#asJson ? this.#readJson() : this.#inputs.values;
    if (!input) throw new Problem(0, "The input is no JSON object");
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

  /** Show at its control what has one, and return the rest. */
  #placed(/** @type {unknown} */ error) {
    if (!(error instanceof Problem) || this.#asJson || !error.errors.length) return error;
    const errors = this.#inputs.complain(error.errors);
    if (errors.length === error.errors.length) return error;
    const detail = "Nothing was started. What does not fit is said where it stands.";
    return new Problem(error.status, error.title, { detail, errors, upstream: error.upstream });
  }

  /** A second press after an answer that got lost is the same attempt: a run that costs money is not started twice. */
  #keyFor(/** @type {string} */ body) {
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
