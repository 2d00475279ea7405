// @ts-check
/**
 * Shows the connection: its state as a badge, and a notice when it is lost, when the relay refuses the task, or when the
 * link has ended.
 */
import { h, setText } from "./dom.js";
import { setHidden } from "./focus.js";
import { CONNECTION_LABELS, clockTime } from "./format.js";
import { linkEnd } from "./link-end.js";
import { say } from "./words.js";

/** @import { ViewUpdate } from "./task-view.js" */

/** A shorter loss of connection shows only in the badge. */
const NOTICE_AFTER_S = 2;

const SHORT_TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

export class ConnectionView {
  #card;
  #badge;
  #notice;
  #title = h("strong");
  #text = h("span");
  #countdown = h("span", { class: "countdown" });
  #retry = h("button", { type: "button" }, say("lost.retry"));
  #retryRow;

  /**
   * @param {(name: string) => HTMLElement} part finds a part of the skeleton
   * @param {() => void} reconnect reconnects at once
   */
  constructor(part, reconnect) {
    this.#card = part("card");
    this.#badge = part("connection");
    this.#notice = part("lost");
    this.#retryRow = h("p", { class: "retry", hidden: true }, this.#countdown, this.#retry);
    this.#notice.append(h("div", {}, this.#title, this.#text), this.#retryRow);
    this.#retry.addEventListener("click", reconnect);
  }

  /**
   * @param {ViewUpdate} update
   * @param {number} now the relay's clock
   * @param {string} token
   */
  render(update, now, token) {
    const { connection, reason, missing } = update;
    const endedAt = linkEnd(update, token, now);
    this.#card.dataset.connection = connection;
    this.#card.toggleAttribute("data-past", endedAt !== null);
    this.#badge.hidden = connection === "ended" || endedAt !== null;
    this.#badge.title = connection === "catching-up" ? say("missing", { count: missing }) : reason;
    setText(this.#badge, CONNECTION_LABELS[connection]);
    if (endedAt !== null) this.#renderEnd(endedAt, now, update.state !== null);
    else if (connection === "refused") this.#renderNotice(say("lost.refused"), asSentence(reason));
    else this.#renderLoss(update, now);
  }

  /** A link that ends is no failure: the tone is neutral, and the last state stays. */
  #renderEnd(/** @type {number} */ at, /** @type {number} */ now, /** @type {boolean} */ hasState) {
    const text = say(hasState ? "link.past" : "link.ask");
    this.#renderNotice(say("link.ended", { time: shortTime(at, now) }), text);
  }

  /**
   * @param {ViewUpdate} update
   * @param {number} now
   */
  #renderLoss({ connection, reason, offlineSince, retryAt, clockOffset_s }, now) {
    const lostAt = offlineSince === null ? null : Math.min(now, offlineSince + clockOffset_s);
    if (lostAt === null || now - lostAt < NOTICE_AFTER_S) return setHidden(this.#notice, true, this.#card);
    const text = `${asSentence(reason)} ${say("lost.meanwhile")}`;
    this.#renderNotice(say("lost.offline", { time: clockTime(lostAt, now) }), text, true);
    const left_s = retryAt === null ? 0 : Math.ceil(retryAt + clockOffset_s - now);
    setText(
      this.#countdown,
      connection === "offline" && left_s > 0 ? say("lost.retry_in", { s: left_s }) : say("lost.retrying"),
    );
  }

  #renderNotice(/** @type {string} */ title, /** @type {string} */ text, canRetry = false) {
    this.#notice.hidden = false;
    setHidden(this.#retryRow, !canRetry, this.#card);
    setText(this.#title, title);
    setText(this.#text, text);
  }
}

function asSentence(/** @type {string} */ reason) {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1).replace(/\.$/, "")}.`;
}

/** Format a time of today without seconds. */
function shortTime(/** @type {number} */ at, /** @type {number} */ now) {
  const isToday = new Date(at * 1000).toDateString() === new Date(now * 1000).toDateString();
  return isToday ? SHORT_TIME.format(at * 1000) : clockTime(at, now);
}
