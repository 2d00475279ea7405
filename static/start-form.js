// @ts-check
/** The form that starts a task. The JSON is what is sent; model and prompt are two quick ways to write it. */
import { Problem } from "./problem.js";
import { showProblem } from "./problem-view.js";

/** Each model's own example input. @type {Record<string, Record<string, unknown>>} */
const EXAMPLES = {
  "bytedance/text-to-image-seedream-v4": { prompt: "", size: "2048x2048", maxImages: 1, watermark: "false" },
  "bytedance/seedream-v4": { prompt: "", size: "2048x2048", maxImages: 1, watermark: "false" },
  "bytedance/text-to-image-seedream-v3": { prompt: "", size: "1024x1024", guidanceScale: "1", watermark: "false" },
  "bytedance/image-to-video-seedance-v1": {
    prompt: "",
    inputImageUrl: "",
    resolution: "480p",
    ratio: "16:9",
    duration: "5",
    fps: "24",
    watermark: "false",
    camerafixed: "false",
  },
};

export class StartForm {
  #form;
  #started;
  #attempt = { body: "", idempotencyKey: "" };

  /**
   * @param {HTMLFormElement} form
   * @param {object} what
   * @param {() => import("./api.js").Api} what.api
   * @param {(answer: {task: import("./types.js").Snapshot, links: import("./api.js").Links}) => void} what.started
   */
  constructor(form, { api, started }) {
    this.#form = form;
    this.#started = started;
    this.#field("model").append(
      ...Object.keys(EXAMPLES).map((name) => new Option(name)),
      new Option("another model…", ""),
    );
    this.#field("model").addEventListener("change", () => this.#chooseModel());
    this.#field("prompt").addEventListener("input", () => this.#writePrompt());
    this.#field("input").addEventListener("input", () => this.#readPrompt());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(api());
    });
    this.#chooseModel();
  }

  #field(/** @type {string} */ name) {
    return /** @type {HTMLTextAreaElement} */ (this.#form.elements.namedItem(name));
  }

  #chooseModel() {
    const model = this.#field("model").value;
    const other = this.#field("other");
    /** @type {HTMLElement} */ (other.parentElement).hidden = model !== "";
    other.required = model === "";
    this.#writeInput({ ...(EXAMPLES[model] ?? {}), prompt: this.#field("prompt").value });
  }

  #writePrompt() {
    const input = this.#readInput();
    if (input) this.#writeInput({ ...input, prompt: this.#field("prompt").value });
  }

  #readPrompt() {
    const input = this.#readInput();
    if (typeof input?.prompt === "string") this.#field("prompt").value = input.prompt;
  }

  #writeInput(/** @type {Record<string, unknown>} */ input) {
    this.#field("input").value = JSON.stringify(input, null, 2);
  }

  /** @returns {Record<string, unknown>|null} null where what stands there is no JSON object */
  #readInput() {
    try {
      const input = JSON.parse(this.#field("input").value);
      return typeof input === "object" && !Array.isArray(input) ? input : null;
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }

  async #submit(/** @type {import("./api.js").Api} */ api) {
    const place = /** @type {HTMLElement} */ (this.#form.querySelector(".problem"));
    const button = /** @type {HTMLButtonElement} */ (this.#form.querySelector("button"));
    button.disabled = true;
    try {
      showProblem(place, null);
      const input = this.#readInput();
      if (!input) throw new Problem(0, "The input is no JSON object");
      const body = { model: this.#field("model").value || this.#field("other").value.trim(), input };
      this.#started(await api.start(body, this.#keyFor(JSON.stringify(body))));
      this.#attempt = { body: "", idempotencyKey: "" };
    } catch (error) {
      showProblem(place, error);
    } finally {
      button.disabled = false;
    }
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
