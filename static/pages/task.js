// @ts-check
/**
 * The page of one task, `/t/{id}#token=…`. Its title and icon say how far it is, in a tab that is not looked at too; it
 * hands out its link, and tells of the end when somebody has asked for that.
 *
 * Whoever comes from the dashboard has tokens of this tab's besides: one that may do more, and one for the link to copy.
 */

import { expiryOf } from "../src/client/credential.js";
import { allows } from "../src/client/token-scope.js";
import { ownToken, renewOwnToken, shareToken } from "../src/dashboard/operator-tokens.js";
import { copyText } from "../src/element/clipboard.js";
import { drawnProgress } from "../src/element/displayed-progress.js";
import { setText } from "../src/element/dom.js";
import { dateAndTime, STATE_WORDS, shortStatus } from "../src/element/format.js";
import { ofFragment, taskOfPath } from "./address.js";
import { showIcon } from "./page-icon.js";
import { showTask } from "./task-page.js";

/** @typedef {import("../src/client/types.js").Snapshot} Snapshot */

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const notify = /** @type {HTMLButtonElement} */ (part("notify"));
let wantsNotice = false;

part("place").addEventListener("relay-update", (event) => {
  /** @type {import("../src/client/relay-client.js").RelayUpdate} */
  const { state } = /** @type {CustomEvent} */ (event).detail;
  if (!state) return;
  const title = `(${shortStatus(state)}) ${state.model}`;
  if (document.title !== title) document.title = title;
  showIcon(state.state, drawnProgress(state).percent);
  notify.hidden = state.done !== null || !("Notification" in globalThis);
});
part("place").addEventListener("relay-done", (event) => tell(/** @type {CustomEvent} */ (event).detail.state));
part("place").addEventListener("relay-error", () => (part("expiry").hidden = true));
part("copy").addEventListener("click", async () => {
  const token = shareToken(taskOfPath()) || ofFragment("token");
  const address = new URL(location.href);
  address.hash = `token=${token}`;
  const copied = await copyText(address.href);
  const may =
    allows(token, "cancel") || allows(token, "input")
      ? "watch this task, and more: cancel it or read its input"
      : "watch this task, and nothing else";
  setText(part("told"), copied ? `The link is copied. It lets its reader ${may}.` : address.href);
});
notify.addEventListener("click", async () => {
  wantsNotice = !wantsNotice && (await Notification.requestPermission()) === "granted";
  notify.setAttribute("aria-pressed", String(wantsNotice));
  const refused = Notification.permission === "denied";
  setText(part("told"), refused ? "The browser does not allow notifications of this page." : "");
});
addEventListener("hashchange", showLinks);
showLinks();
showTask(part("place"), { own: ownToken, renewOwn: renewOwnToken });

/** What the token allows is said only where it is known: of a link without one the page says enough. */
function showLinks() {
  const token = ofFragment("token");
  part("copy").hidden = !token;
  part("inspect").hidden = !token;
  part("inspect").setAttribute("href", `../inspect/${encodeURIComponent(taskOfPath())}${location.hash}`);
  const expiry = expiryOf(token);
  setText(part("expiry"), expiry === null ? "" : `This link works until ${dateAndTime(expiry)}.`);
}

/** Whoever looks at the page sees the end anyway. */
function tell(/** @type {Snapshot} */ state) {
  if (!wantsNotice || document.visibilityState === "visible") return;
  const notification = new Notification(`${STATE_WORDS[state.state]}: ${state.model}`, { tag: state.id });
  notification.addEventListener("click", () => {
    focus();
    notification.close();
  });
}
