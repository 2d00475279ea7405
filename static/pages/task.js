// @ts-check
/**
 * The page of one task, `/t/{id}#token=…`. It shows what was asked for, what came, and what to do next. Its title and
 * icon show the progress, and it can notify the reader when the task ends.
 *
 * A tab that opened it from the dashboard has two more tokens: one with a wider scope, and one for the link to copy.
 */
import { DEFAULT_BASE } from "../src/client/base.js";
import { Problem } from "../src/client/problem.js";
import { allows, expiryOf } from "../src/client/token-claims.js";
import { Api } from "../src/dashboard/api.js";
import { createPageTokens, operatorToken, renewOperatorToken, shareToken } from "../src/dashboard/operator-tokens.js";
import { KEY, readSecret } from "../src/dashboard/tab-store.js";
import { TaskActions } from "../src/dashboard/task-actions.js";
import { copyText } from "../src/element/clipboard.js";
import { displayedProgress } from "../src/element/displayed-progress.js";
import { setText } from "../src/element/dom.js";
import { dateAndTime, STATE_LABELS, shortStatus } from "../src/element/format.js";
import { NotifyToggle } from "../src/element/notify-toggle.js";
import { taskInput } from "../src/element/task-input.js";
import { fragmentValue, taskFromPath } from "./address.js";
import { askedOf, showAsked } from "./asked.js";
import { NextSteps } from "./next-steps.js";
import { showIcon } from "./page-icon.js";
import { showPage } from "./styles.js";
import task from "./task.css" with { type: "css" };
import { showTask } from "./task-page.js";

/** @import { Snapshot } from "../relay.js" */
/** @import { TaskInput } from "../src/element/task-input.js" */

showPage(task);

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
const next = new NextSteps(part("next"), part("actions"), part("copy"), part("feedback"));
/** @type {TaskInput|null} */
let input = null;
let hasRequestedInput = false;
/** @type {Snapshot|null} the newest, which may be newer than the one that a request began with */
let newest = null;

part("place").addEventListener("relay-update", ({ detail: { state } }) => {
  if (!state) return;
  newest = state;
  if (!hasRequestedInput) showInput(state);
  const title = `(${shortStatus(state)}) ${state.model}`;
  if (document.title !== title) document.title = title;
  showIcon(state.state, displayedProgress(state).percent);
  renderNext();
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
showTask(part("place"), { get: operatorToken, renew: renewOperatorToken }, {}, [
  part("asked"),
  part("next"),
  part("links"),
]);

function token() {
  return part("place").querySelector("relay-task")?.token ?? "";
}

function renderNext() {
  if (!newest) return;
  actions.render(newest);
  next.render({ task: newest, token: token(), isSignedIn: readSecret(KEY) !== "", input });
}

/** Show what was asked for, if the token allows it. */
async function showInput(/** @type {Snapshot} */ state) {
  hasRequestedInput = true;
  input = await taskInput({ base: DEFAULT_BASE, task: state.id, token: token() });
  if (!input) return;
  showAsked(part("asked"), askedOf(input.input, input.files));
  renderNext();
  await showUsual(state, input);
}

/** Show the usual length of such tasks, which the relay tells those who may start one. */
async function showUsual(/** @type {Snapshot} */ { model, provider }, /** @type {TaskInput} */ given) {
  const element = part("place").querySelector("relay-task");
  if (!element || !readSecret(KEY)) return;
  try {
    element.usual = (await new Api(readSecret(KEY)).estimate({ model, provider, input: given.input })).usual;
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // the page is complete without it
  }
}

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
