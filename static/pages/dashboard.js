// @ts-check
/**
 * The dashboard, `/`: signs in with an API key, lists all tasks live, starts tasks, and opens their pages.
 *
 * The key comes from the sign-in form, from the relay in exchange for `#code=…`, or from `#key=…`. It is kept for this
 * tab and removed from the address.
 */
import { Problem } from "../src/client/problem.js";
import { Api, exchangeCode } from "../src/dashboard/api.js";
import { BoardNotice } from "../src/dashboard/board-notice.js";
import { forgetDrafts } from "../src/dashboard/drafts.js";
import { ListHeader } from "../src/dashboard/list-header.js";
import { createPageTokens, forgetTokens } from "../src/dashboard/operator-tokens.js";
import { showProblem } from "../src/dashboard/problem-view.js";
import { StartForm } from "../src/dashboard/start-form.js";
import { KEY, readSecret, writeSecret } from "../src/dashboard/tab-store.js";
import { NO_FILTER } from "../src/dashboard/task-groups.js";
import { TaskList } from "../src/dashboard/task-list.js";
import { TaskLoader } from "../src/dashboard/task-loader.js";
import { h, setText } from "../src/element/dom.js";
import { CONNECTION_LABELS } from "../src/element/format.js";
import { fragmentValue } from "./address.js";
import dashboard from "./dashboard.css" with { type: "css" };
import forms from "./forms.css" with { type: "css" };
import { showPage } from "./styles.js";

/** @import { Snapshot } from "../relay.js" */
/** @import { Started } from "../src/dashboard/api.js" */

showPage(forms, dashboard);

/** The minimum time between two reads of the list. */
const REFRESH_MS = 10_000;

/** How long the first read of the list may delay the connection. */
const LONGEST_READ_MS = 5_000;

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {ReturnType<typeof setTimeout>|undefined} */
let refreshTimer;
let lastRead_ms = 0;
let isLoaded = false;
const list = new TaskList(part("list"), {
  onOpen: (task) => attempt(() => openTask(task)),
  onChange: () => renderHeader(),
  onListed: refreshSoon,
});
const loader = new TaskLoader({ list: listTasks, read: readTask, view: list });
const header = new ListHeader(
  part,
  (change) => {
    list.filter = { ...list.filter, ...change };
    load(() => loader.load(list.filter));
  },
  () => list.clock.now(),
);
const startForm = new StartForm(/** @type {HTMLFormElement} */ (part("start")), {
  api,
  key: () => readSecret(KEY),
  onStart: showStarted,
});

const notice = new BoardNotice(/** @type {HTMLButtonElement} */ (part("notify")), {
  openTasks: () => list.openTasks,
  groupOf: (task) => list.groupOf(task),
  say: (text) => setText(part("notify-text"), text),
});

addEventListener("hashchange", () => {
  if (fragmentValue("key") || fragmentValue("code")) signInFromAddress();
  else if (fragmentValue("run") && readSecret(KEY)) fillFromAddress();
});
part("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (part("sign-in").querySelector("input"));
  writeSecret(KEY, field.value.trim());
  field.value = "";
  show();
});
part("sign-out").addEventListener("click", () => signOut());
part("refresh").addEventListener("click", () => load(() => loader.refresh()));
part("more").addEventListener("click", () => load(() => loader.more()));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && readSecret(KEY)) refreshSoon();
});
// On a small screen the task list matters more than the form.
if (matchMedia("(max-width: 63.99rem)").matches) part("start-fold").removeAttribute("open");
signInFromAddress();

/** List tasks, and show which node has answered. */
async function listTasks(/** @type {URLSearchParams} */ query) {
  const page = await api().list(query);
  setText(part("node"), page.node ? `Answered by ${page.node}` : "");
  return page;
}

function api() {
  return new Api(readSecret(KEY), (date) => list.clock.adjustByDate(date));
}

/** Sign in with the key or code in the address, if there is one, and show the dashboard or the sign-in form. */
async function signInFromAddress() {
  const [key, code] = [fragmentValue("key"), fragmentValue("code")];
  if (key || code) history.replaceState(null, "", location.pathname + location.search);
  if (key) writeSecret(KEY, key);
  if (code) await attempt(async () => writeSecret(KEY, await exchangeCode(code)), { usesKey: false });
  show();
}

function show() {
  clearTimeout(refreshTimer);
  isLoaded = false;
  header.reset();
  list.clear();
  list.filter = NO_FILTER;
  loader.reset();
  const isSignedIn = readSecret(KEY) !== "";
  part("sign-in").hidden = isSignedIn;
  for (const id of ["sign-out", "webhooks", "dashboard"]) part(id).hidden = !isSignedIn;
  part("no-tasks").hidden = true;
  if (!isSignedIn) return;
  load(listAndFollow);
  if (fragmentValue("run")) fillFromAddress();
}

/** Fill the form with the input of the task that the address names, `#run=…`, and remove it from the address. */
async function fillFromAddress() {
  const id = fragmentValue("run");
  history.replaceState(null, "", location.pathname + location.search);
  await attempt(async () => {
    const [task, { input }] = await Promise.all([api().task(id), api().input(id)]);
    part("start-fold").setAttribute("open", "");
    await startForm.fill({ ...task, input });
    part("start-fold").scrollIntoView({ block: "start" });
  });
}

/** Read the list and then follow it, so that the relay need not send it again; follow it even if the read fails. */
async function listAndFollow() {
  const key = readSecret(KEY);
  const follow = () => readSecret(KEY) === key && list.follow(key);
  const late = setTimeout(follow, LONGEST_READ_MS);
  try {
    await loader.load(list.filter);
  } finally {
    clearTimeout(late);
    follow();
  }
}

function renderHeader() {
  const { counts, tags, filter, connection } = list;
  const isFiltered = filter.tag !== "" || filter.text !== "" || filter.since !== null;
  header.render(counts, tags, filter, loader.complete);
  part("overview").hidden = list.isEmpty && !isFiltered;
  part("more").hidden = !loader.hasMore;
  part("no-tasks").hidden = !isLoaded || !list.isEmpty || isFiltered;
  part("no-match").hidden = !isLoaded || !(list.hidesAll || (list.isEmpty && isFiltered));
  const badge = part("connection");
  badge.hidden = readSecret(KEY) === "" || list.isEmpty;
  badge.dataset.connection = connection;
  setText(badge, connection === "ended" ? "up to date" : CONNECTION_LABELS[connection]);
  notice.render();
}

function showStarted(/** @type {Started} */ { task }) {
  list.put(task);
  const text = task.state === "held" ? "The platform is at its limit: the task is queued. " : "Started. ";
  const link = h("a", { href: `t/${encodeURIComponent(task.id)}` }, "View task");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    attempt(() => openTask(task.id));
  });
  part("feedback").hidden = false;
  part("feedback").replaceChildren(text, link);
}

function signOut() {
  writeSecret(KEY, "");
  forgetTokens();
  forgetDrafts();
  part("feedback").hidden = true;
  showProblem(part("problem"), null);
  show();
}

/** Read the list again soon, but not too often: when polling, the relay lists all tasks with each poll. */
function refreshSoon() {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(
    () => {
      if (document.visibilityState === "visible" && readSecret(KEY)) load(() => loader.refresh());
    },
    Math.max(0, lastRead_ms + REFRESH_MS - performance.now()),
  );
}

function load(/** @type {() => Promise<void>} */ read) {
  lastRead_ms = performance.now();
  return attempt(async () => {
    await read();
    isLoaded = true;
    renderHeader();
    await startForm.load();
  });
}

/** @returns {Promise<Snapshot|null>} null for a deleted task */
async function readTask(/** @type {string} */ id) {
  try {
    return await api().task(id);
  } catch (error) {
    if (error instanceof Problem && (error.status === 404 || error.status === 410)) return null;
    throw error;
  }
}

/**
 * Run an action and show its error, if any.
 *
 * @param {() => Promise<void>} action
 * @param {{usesKey?: boolean}} [options] whether a 401 means that the API key is invalid
 */
async function attempt(action, { usesKey = true } = {}) {
  const container = part("problem");
  try {
    await action();
    showProblem(container, null);
  } catch (error) {
    if (error instanceof Problem && error.status === 401 && usesKey) signOut();
    showProblem(container, error);
  }
}

/** Open a task's page. The token in its address can only view; the one with a wider scope stays in this tab. */
async function openTask(/** @type {string} */ task) {
  const token = await createPageTokens(readSecret(KEY), task);
  location.assign(`t/${encodeURIComponent(task)}#token=${token}`);
}
