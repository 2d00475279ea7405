// @ts-check
/** The buttons below the results of a task: what a reader may do next. What the token does not allow is absent. */
import { DEFAULT_BASE } from "../src/client/base.js";
import { copyText } from "../src/element/clipboard.js";
import { h, setText } from "../src/element/dom.js";
import { curlOf } from "./curl.js";

/** @import { Snapshot } from "../relay.js" */
/** @import { TaskInput } from "../src/element/task-input.js" */

export class NextSteps {
  #edit = h("a", { class: "button", hidden: true }, "Edit and run");
  #download = h("a", { class: "button", hidden: true, download: "" }, "Download all");
  #curl = h("button", { type: "button", hidden: true }, "Copy as curl");
  #feedback;
  #base = DEFAULT_BASE ?? location.href;
  /** @type {Snapshot|null} */
  #task = null;
  /** @type {TaskInput|null} */
  #input = null;

  /**
   * @param {HTMLElement} container
   * @param {Node} actions the buttons of a reader who is signed in
   * @param {Node} copyLink
   * @param {HTMLElement} feedback
   */
  constructor(container, actions, copyLink, feedback) {
    this.#feedback = feedback;
    this.#curl.addEventListener("click", () => this.#copyCurl());
    container.replaceChildren(actions, this.#edit, this.#download, this.#curl, copyLink, feedback);
  }

  /**
   * @param {object} known
   * @param {Snapshot} known.task
   * @param {string} known.token
   * @param {boolean} known.isSignedIn
   * @param {TaskInput|null} known.input null if the reader may not see it
   */
  render({ task, token, isSignedIn, input }) {
    this.#task = task;
    this.#input = input;
    const id = encodeURIComponent(task.id);
    this.#edit.hidden = !isSignedIn;
    this.#edit.href = `../#edit=${id}`;
    const files = task.outputs.filter(({ url }) => /^https?:/i.test(url ?? ""));
    const address = new URL(`v1/tasks/${id}/outputs.zip`, this.#base);
    address.searchParams.set("token", token);
    this.#download.hidden = task.done === null || files.length < 2;
    if (this.#download.href !== address.href) this.#download.href = address.href;
    // A command cannot bring files that were uploaded.
    this.#curl.hidden = !input || (input.files ?? []).length > 0;
  }

  async #copyCurl() {
    if (!this.#task || !this.#input) return;
    const command = curlOf(this.#base, this.#task, this.#input.input);
    setText(
      this.#feedback,
      (await copyText(command)) ? "Command copied. It reads the key from RELAY_API_KEY." : command,
    );
  }
}
