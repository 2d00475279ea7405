// @ts-check
/**
 * The page of one task, `/t/{id}#token=…`. Its title and icon show the progress, it copies its link, and it can notify
 * the reader when the task ends.
 *
 * A tab that opened it from the dashboard has two more tokens: one with a wider scope, and one for the link to copy.
 */
import { allows, expiryOf } from "../src/client/token-claims.js";
import { createPageTokens, operatorToken, renewOperatorToken, shareToken } from "../src/dashboard/operator-tokens.js";
import { KEY, readSecret } from "../src/dashboard/tab-store.js";
import { TaskActions } from "../src/dashboard/task-actions.js";
import { copyText } from "../src/element/clipboard.js";
import { displayedProgress } from "../src/element/displayed-progress.js";
import { setText } from "../src/element/dom.js";
import { dateAndTime, STATE_LABELS, shortStatus } from "../src/element/format.js";
import { NotifyToggle } from "../src/element/notify-toggle.js";
import { fragmentValue, taskFromPath } from "./address.js";
import { showIcon } from "./page-icon.js";
import { showPage } from "./styles.js";
import { showTask } from "./task-page.js";

showPage();

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const notify = new NotifyToggle(/** @type {HTMLButtonElement} */ (part("notify")), (text) =>
  setText(part("feedback"), text),
);
const actions = new TaskActions(part("actions"), taskFromPath(), {
  onStarted: async (task) => {
    const token = await createPageTokens(readSecret(KEY), task);
    location.assign(`${encodeURIComponent(task)}#token=${token}`);
  },
  onDeleted: () => location.assign("../"),
});

part("place").addEventListener("relay-update", ({ detail: { state } }) => {
  if (!state) return;
  part("links").hidden = false; // not earlier: it would move when the task appears above it
  const title = `(${shortStatus(state)}) ${state.model}`;
  if (document.title !== title) document.title = title;
  showIcon(state.state, displayedProgress(state).percent);
  actions.render(state);
  part("notify").hidden = state.done !== null;
});
part("place").addEventListener("relay-done", ({ detail: { state } }) => {
  if (!state) return;
  const title = `${STATE_LABELS[state.state]}: ${state.model}`;
  notify.send({ title, tag: state.id, isGood: state.state === "succeeded" });
});
// The link no longer works: there is nothing to share or to wait for, and the title must not look current.
part("place").addEventListener("relay-error", ({ detail: { state } }) => {
  for (const id of ["expiry", "copy", "notify", "inspect"]) part(id).hidden = true;
  document.title = state ? `(no longer updated) ${state.model}` : "Task";
  showIcon("queued", null); // an empty ring
});
part("copy").addEventListener("click", copyLink);
addEventListener("hashchange", showLinks);
showLinks();
showTask(part("place"), { get: operatorToken, renew: renewOperatorToken });

async function copyLink() {
  const token = shareToken(taskFromPath()) || fragmentValue("token");
  const address = new URL(location.href);
  address.hash = `token=${token}`;
  const copied = await copyText(address.href);
  const cancel = allows(token, "cancel") ? ", cancel it" : "";
  const input = allows(token, "input") ? ", read its input" : "";
  const text = `Link copied. Anyone with it can view this task${cancel}${input}.`;
  setText(part("feedback"), copied ? text : address.href);
}

/** Show the links and the expiry of the token. Without a token, the page explains that the link is incomplete. */
function showLinks() {
  const token = fragmentValue("token");
  part("copy").hidden = !token;
  part("inspect").hidden = !token;
  part("inspect").setAttribute("href", `../inspect/${encodeURIComponent(taskFromPath())}${location.hash}`);
  const expiry = expiryOf(token);
  setText(part("expiry"), expiry === null ? "" : `This link works until ${dateAndTime(expiry)}.`);
}
