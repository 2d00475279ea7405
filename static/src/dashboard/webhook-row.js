// @ts-check
/** A webhook as a row of the list: what it is about, what has become of it, and a button that sends it again. */
import { h, setText, textElement } from "../element/dom.js";
import { clockTime, duration } from "../element/format.js";

/** @import { Webhook, WebhookStatus } from "./api.js" */

/** @type {Record<WebhookStatus, string>} */
const LABELS = {
  queued: "Queued",
  pending: "Pending",
  sending: "Sending",
  delivered: "Delivered",
  failed: "Failed",
  stopped: "Stopped",
};

export class WebhookRow {
  #status = textElement("span", "", "status");
  #facts = textElement("span", "", "faint");
  #button = h("button", { type: "button" });

  /**
   * @param {Webhook} webhook
   * @param {(row: WebhookRow) => void} onAgain
   */
  constructor(webhook, onAgain) {
    this.webhook = webhook;
    this.#button.addEventListener("click", () => onAgain(this));
    const attributes = { tabindex: "-1" }; // takes the focus of the button, which is hidden while a webhook is sent
    this.element = h(
      "li",
      attributes,
      this.#status,
      textElement("span", webhook.type, "type"),
      this.#button,
      this.#facts,
    );
    this.render(webhook);
  }

  render(/** @type {Webhook} */ webhook) {
    this.webhook = webhook;
    this.element.dataset.status = webhook.status;
    setText(this.#status, LABELS[webhook.status]);
    setText(this.#facts, facts(webhook, Date.now() / 1000));
    setText(this.#button, webhook.status === "pending" ? "Send now" : "Send again");
    this.#button.hidden = webhook.status === "queued" || webhook.status === "sending";
  }
}

/**
 * @param {Webhook} webhook
 * @param {number} now
 */
function facts({ task, url, attempts, tried_at, answer, next_in_s, created_at }, now) {
  const tries = attempts === 1 ? "1 attempt" : `${attempts} attempts`;
  return [
    clockTime(tried_at ?? created_at, now),
    answer,
    tries,
    next_in_s === null ? "" : `again in ${duration(next_in_s)}`,
    url,
    `task ${task}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
