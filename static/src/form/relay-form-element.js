// @ts-check
/**
 * <relay-form model="…" token="…">: the inputs of a model as a form, which starts a task with a start token.
 *
 * Fires `relay-started`, whose `detail` is `{task, token, links}`, when a task was started. The element shows the task
 * below the form, unless a listener calls `preventDefault()`.
 */
import { baseUrl, MISSING_BASE } from "../client/base.js";
import { Credential } from "../client/credential.js";
import { callJson } from "../client/json-call.js";
import { Problem } from "../client/problem.js";
import { h, setText } from "../element/dom.js";
import { close, HostElement, open } from "../element/host-element.js";
import theme from "../element/theme.css" with { type: "css" };
import { say } from "../element/words.js";
import { EstimateView } from "./estimate-view.js";
import element from "./form-element.css" with { type: "css" };
import "./form-words.js";
import fileInput from "./file-input.css" with { type: "css" };
import forms from "./forms.css" with { type: "css" };
import { ModelForm } from "./model-form.js";
import { showProblem } from "./problem-view.js";
import { StartRequest } from "./start-request.js";

/** @import { Started } from "../client/start-call.js" */
/** @import { Model } from "./model.js" */

export class RelayFormElement extends HostElement {
  static observedAttributes = ["model", "provider", "token", "base", "theme", "accent"];

  /** The number of times that it was opened: an answer to an earlier request is ignored. */
  #generation = 0;
  /** @type {EstimateView|null} */
  #estimate = null;
  /** @type {Credential|null} */
  #credential = null;

  /** `owner/name` */
  get model() {
    return this.getAttribute("model") ?? "";
  }

  set model(value) {
    this.setAttribute("model", value);
  }

  get provider() {
    return this.getAttribute("provider") ?? "";
  }

  set provider(value) {
    this.setAttribute("provider", value);
  }

  /** @override @param {ShadowRoot} root */
  [open](root) {
    this.#generation += 1;
    const problem = h("div", { class: "problem notice", role: "alert", hidden: true });
    const status = h("p", { class: "faint", role: "status" }, say("form.loading"));
    root.adoptedStyleSheets = [theme, forms, fileInput, element].flatMap((sheet) => sheet ?? []);
    root.replaceChildren(status, problem);
    this.#load(root, problem, status).finally(() => setText(status, ""));
  }

  /** @override */
  [close]() {
    this.#generation += 1;
    this.#estimate?.show(null);
    this.#credential?.stop();
  }

  /**
   * @param {ShadowRoot} root
   * @param {HTMLElement} problem
   * @param {HTMLElement} status says what is being waited for
   */
  async #load(root, problem, status) {
    const generation = this.#generation;
    const { token, getToken } = this;
    const credential = new Credential({
      token,
      getToken,
      topic: { tag: "" }, // the page knows its tag
      now_s: () => Date.now() / 1000,
      onRenewed: () => setText(status, ""),
      onRetry: (reason) => setText(status, reason),
    });
    this.#credential = credential;
    /** Return a token, or an empty one, with which the relay says what is missing. */
    const key = async () => {
      const { token: fresh } = await credential.get();
      setText(status, "");
      return fresh ?? "";
    };
    try {
      if (!this.base) throw new Problem(0, MISSING_BASE);
      const path = this.model.split("/").map(encodeURIComponent).join("/");
      const url = new URL(`v1/models/${path}`, baseUrl(this.base));
      if (this.provider) url.searchParams.set("provider", this.provider);
      const first = await key();
      setText(status, say("form.loading"));
      const model = await callJson(url, { token: first, credentials: "omit" });
      if (generation === this.#generation) this.#show(root, problem, status, model, key);
    } catch (error) {
      if (generation === this.#generation) showProblem(problem, error);
    }
  }

  /**
   * @param {ShadowRoot} root
   * @param {HTMLElement} problem
   * @param {HTMLElement} status
   * @param {Model} model
   * @param {() => Promise<string>} key
   */
  #show(root, problem, status, model, key) {
    const { base } = this;
    const container = h("div", { class: "fields" });
    const inputs = new ModelForm(container);
    const start = h("button", { class: "main", part: "start" }, say("form.start"));
    const price = h("span", { class: "faint" });
    const form = h("form", { part: "form" }, container, problem, status, h("div", { class: "launch" }, start, price));
    const place = h("div", { class: "place", part: "task" });
    root.append(form, place);
    inputs.show(model, {});

    const body = () => ({ model: model.model, provider: model.provider, input: inputs.values });
    const estimates = new URL("v1/estimate", baseUrl(base));
    const ask = async (/** @type {object} */ wanted) =>
      callJson(estimates, { method: "POST", token: await key(), body: wanted, credentials: "omit" });
    const estimate = new EstimateView(price, ask);
    this.#estimate = estimate;
    estimate.show(model.usual ?? null);
    form.addEventListener("change", () => estimate.update(body()));

    const showUpload = (/** @type {number} */ share) =>
      setText(status, share < 1 ? say("form.uploading", { percent: Math.floor(share * 100) }) : say("form.checking"));
    const request = new StartRequest({ base, key, onProgress: showUpload });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      start.disabled = true;
      showProblem(problem, null);
      inputs.showErrors([]);
      try {
        this.#started(place, await request.send(body(), inputs.files));
      } catch (error) {
        showProblem(problem, withoutShown(inputs, error));
      } finally {
        start.disabled = false;
        setText(status, "");
      }
    });
  }

  /**
   * @param {HTMLElement} place
   * @param {Started} started
   */
  #started(place, started) {
    const detail = started;
    const event = new CustomEvent("relay-started", { detail, bubbles: true, composed: true, cancelable: true });
    if (!this.dispatchEvent(event)) return;
    const { base, theme, accent } = this;
    place.replaceChildren(h("relay-task", { task: started.task.id, token: started.token, base, theme, accent }));
  }
}

/**
 * Show errors at their controls, and return the error that is left to show.
 *
 * @param {ModelForm} inputs
 * @param {unknown} error
 */
function withoutShown(inputs, error) {
  if (!(error instanceof Problem) || !error.errors.length) return error;
  const errors = inputs.showErrors(error.errors);
  if (errors.length === error.errors.length) return error;
  return new Problem(error.status, error.title, { detail: say("form.wrong"), errors, upstream: error.upstream });
}
