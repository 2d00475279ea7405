// @ts-check
/**
 * The dashboard, `/`: signs in with an API key, lists all tasks live, starts tasks, and opens their pages.
 *
 * The key comes from the sign-in form, from the relay in exchange for `#code=…`, or from `#key=…`. It is kept for this
 * tab and removed from the address. The filter is kept in the address, without the key.
 */

import rows from "../src/board/rows.css" with { type: "css" };
import { groupOf, isEndedGroup, NO_FILTER, sum } from "../src/board/task-groups.js";
import { titleOf } from "../src/board/task-title.js";
import { Thumbnails } from "../src/board/thumbnails.js";
import { Problem } from "../src/client/problem.js";
import { Announcer } from "../src/dashboard/announcer.js";
import { Api, exchangeCode } from "../src/dashboard/api.js";
import { Attempts } from "../src/dashboard/attempts.js";
import { filterFromQuery, queryFromFilter } from "../src/dashboard/board-address.js";
import { BoardCounts, startOfDay } from "../src/dashboard/board-counts.js";
import { BoardNotice } from "../src/dashboard/board-notice.js";
import { BulkActions } from "../src/dashboard/bulk-actions.js";
import { Charts } from "../src/dashboard/charts.js";
import { Descriptions } from "../src/dashboard/descriptions.js";
import { forgetDrafts } from "../src/dashboard/drafts.js";
import { FormLoader } from "../src/dashboard/form-loader.js";
import { headerMenu } from "../src/dashboard/header-menu.js";
import { openParts, todayText } from "../src/dashboard/headline.js";
import { ListHeader } from "../src/dashboard/list-header.js";
import { forgetTokens, openTask } from "../src/dashboard/operator-tokens.js";
import { RowLinks } from "../src/dashboard/row-links.js";
import { RowMenu } from "../src/dashboard/row-menu.js";
import { RowSelection } from "../src/dashboard/row-selection.js";
import { RunAgain } from "../src/dashboard/run-again.js";
import { KEY, readSecret, writeSecret } from "../src/dashboard/tab-store.js";
import { combineCounts, countTasks, limitedGroups } from "../src/dashboard/task-counts.js";
import { TaskList } from "../src/dashboard/task-list.js";
import { TaskLoader } from "../src/dashboard/task-loader.js";
import { h, setText } from "../src/element/dom.js";
import { CONNECTION_LABELS } from "../src/element/format.js";
import { outputAddress } from "../src/element/output-address.js";
import forms from "../src/form/forms.css" with { type: "css" };
import { showProblem } from "../src/form/problem-view.js";
import { fragmentValue } from "./address.js";
import chartSheet from "./charts.css" with { type: "css" };
import dashboard from "./dashboard.css" with { type: "css" };
import { showPage } from "./styles.js";

/** @import { Snapshot } from "../relay.js" */
/** @import { Started } from "../src/client/start-call.js" */
/** @import { Filter } from "../src/board/task-groups.js" */
/** @import { TaskRow } from "../src/board/task-row.js" */

showPage(forms, rows, chartSheet, dashboard);

/** The minimum time between two reads of the list. */
const REFRESH_MS = 10_000;

/** How long the first read of the list may delay the connection. */
const LONGEST_READ_MS = 5_000;

/** How long the connection may delay what is loaded after it. */
const LONGEST_WAIT_MS = 3_000;

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {ReturnType<typeof setTimeout>|undefined} */
let refreshTimer;
let lastRead_ms = 0;
let isLoaded = false;
/** Whether the rest may be loaded: the form, the counts and the pictures. The list comes first. */
let isReady = false;
let drawnRevision = -1;
const attempts = new Attempts(part("problem"), () => signOut());
const list = new TaskList(part("list"), {
  onChange: () => render(),
  onListed: refreshSoon,
  onTask: taskChanged,
  onMedia: (row, output) => thumbnails.show(row, output),
});
const loader = new TaskLoader({ list: listTasks, read: readTask, view: list });
const counts = new BoardCounts({
  read: (query) => api().counts(query),
  now: () => list.clock.now(),
  onChange: () => render(),
});
const descriptions = new Descriptions(list, (query) =>
  attempt(async () => descriptions.show((await api().list(query)).tasks)),
);
const header = new ListHeader(part, changeFilter, () => list.clock.now());
const form = new FormLoader(/** @type {HTMLFormElement} */ (part("start")), {
  key: () => readSecret(KEY),
  onStart: showStarted,
});
const charts = new Charts(part("charts"));
const announcer = new Announcer(part("announcement"));
const links = new RowLinks(part("list"), list, {
  createToken: async (task) => (await api().createToken(task, "view")).token,
  onOpen: (task) => attempt(() => openTask(readSecret(KEY), task)),
});
const thumbnails = new Thumbnails({
  address: async (task, output) => outputAddress(output, { base: document.baseURI, token: await links.token(task) }),
  hasCopies,
});
const again = new RunAgain(api);
const selection = new RowSelection(part("list"), list, () => renderBulk());
const bulk = new BulkActions({ part, list, selection, api, again });
const menu = new RowMenu(part("tasks"), list, {
  edit: ({ task }) => attempt(() => edit(task)),
  again: async ({ task }) => showStarted(await again.run(task.id)),
  stop: async ({ task }) => list.put(await api().cancel(task.id)),
});

const notice = new BoardNotice(/** @type {HTMLButtonElement} */ (part("notify")), {
  tasks: () => (selection.tasks.length ? selection.tasks : list.shown.map(({ task }) => task)),
  groupOf: (task) => list.groupOf(task),
  say: (text) => setText(part("notify-text"), text),
});

headerMenu(part("menu"), part("pages"));
addEventListener("hashchange", () => {
  if (fragmentValue("key") || fragmentValue("code")) signInFromAddress();
  else if (fragmentValue("edit") && readSecret(KEY)) fillFromAddress();
});
addEventListener("popstate", () => {
  if (readSecret(KEY)) applyFilter(filterFromQuery(location.search, list.clock.now()));
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
part("clear-filter").addEventListener("click", () => {
  changeFilter(NO_FILTER);
  part("search").focus();
});
for (const [link, target] of [
  ["skip", "tasks-title"],
  ["to-start", "start-fold"],
]) {
  part(link).addEventListener("click", (event) => {
    event.preventDefault(); // the fragment is for secrets
    jumpTo(part(target));
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && readSecret(KEY)) refreshSoon();
});
signInFromAddress();

/** List tasks, and show which node has answered. */
async function listTasks(/** @type {URLSearchParams} */ query) {
  const page = await api().list(query);
  setText(part("node"), page.node ? `Answered by ${page.node}` : "");
  return page;
}

/** Run an action and show its error, if any. */
function attempt(/** @type {() => Promise<void>} */ action) {
  return attempts.run(action);
}

function api() {
  return new Api(readSecret(KEY), (date) => list.clock.adjustByDate(date));
}

/** Sign in with the key or code in the address, if there is one, and show the dashboard or the sign-in form. */
async function signInFromAddress() {
  const [key, code] = [fragmentValue("key"), fragmentValue("code")];
  if (key || code) history.replaceState(null, "", location.pathname + location.search);
  if (key) writeSecret(KEY, key);
  if (code) await attempts.run(async () => writeSecret(KEY, await exchangeCode(code)), { usesKey: false });
  show();
}

function show() {
  clearTimeout(refreshTimer);
  isLoaded = false;
  isReady = false;
  for (const each of [counts, descriptions, announcer, links, loader, thumbnails]) each.reset();
  list.clear();
  list.filter = filterFromQuery(location.search, list.clock.now());
  header.show(list.filter);
  const isSignedIn = readSecret(KEY) !== "";
  part("sign-in").hidden = isSignedIn;
  for (const id of ["skip", "to-start", "menu", "pages", "dashboard"]) part(id).hidden = !isSignedIn;
  part("no-tasks").hidden = true;
  if (!isSignedIn) return;
  load(listAndFollow);
  setTimeout(loadRest, LONGEST_WAIT_MS);
  if (fragmentValue("edit")) fillFromAddress();
}

/** Fill the form with the input of the task that the address names, `#edit=…`, and remove it from the address. */
async function fillFromAddress() {
  const id = fragmentValue("edit");
  history.replaceState(null, "", location.pathname + location.search);
  await attempt(async () => edit(await api().task(id)));
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

/**
 * Filter the board, and keep the filter in the address. While the reader types, the address is replaced, so that Back
 * does not undo single letters.
 *
 * @param {Partial<Filter>} change
 * @param {boolean} [isTyped]
 */
function changeFilter(change, isTyped = false) {
  const filter = { ...list.filter, ...change };
  const address = location.pathname + queryFromFilter(filter, location.search);
  if (isTyped && list.filter.text) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  applyFilter(filter);
}

function applyFilter(/** @type {Filter} */ filter) {
  const isGroupOnly = queryFromFilter({ ...filter, group: list.filter.group }, "") === queryFromFilter(list.filter, "");
  if (!isGroupOnly) counts.reset();
  header.show(filter);
  list.filter = filter;
  load(() => loader.load(filter));
}

function render() {
  const { tags, filter, connection } = list;
  const isFiltered = filter.tag !== "" || filter.text !== "" || filter.since !== null;
  const now = list.clock.now();
  const all = combineCounts(list.counts, counts.matching, loader.hasAllOpen);
  const today = loader.hasAll ? countTasks(tasksSince(startOfDay(now))) : combineCounts(new Map(), counts.today, false);
  const headline = openParts(all, list.matching, now, isFiltered);
  const limited = limitedGroups(counts.matching);
  if (isLoaded || !list.isEmpty)
    header.render({ headline, today: todayText(today), counts: all, limited, tags, filter });
  if (drawnRevision !== list.revision) {
    drawnRevision = list.revision;
    selection.prune();
    if (charts.render(list.matching, now)) list.compareTimes();
  }
  if (isLoaded && connection !== "connecting") loadRest();
  const hasRows = list.shown.length > 0;
  const isEmpty = list.isEmpty && !isFiltered;
  for (const id of ["overview", "filters"]) part(id).hidden = isLoaded && isEmpty; // earlier, they keep their place
  part("tags").hidden = isLoaded && tags.length === 0;
  part("listbar").hidden = !hasRows;
  part("more").hidden = !loader.hasMore;
  part("no-tasks").hidden = !isLoaded || !isEmpty;
  part("no-match").hidden = !isLoaded || hasRows || isEmpty;
  renderBulk();
  const badge = part("connection");
  badge.hidden = readSecret(KEY) === "" || list.isEmpty;
  badge.dataset.connection = connection;
  setText(badge, connection === "ended" ? "up to date" : CONNECTION_LABELS[connection]);
  part("refresh").classList.toggle("unneeded", connection === "live");
  const stuck = all.get("stuck") ?? 0;
  const title = stuck ? `(${stuck} stuck) relay` : "relay";
  if (document.title !== title) document.title = title;
}

function tasksSince(/** @type {number} */ time) {
  return list.matching.filter(({ created_at }) => created_at >= time);
}

function renderBulk() {
  const { group } = list.filter;
  const all = combineCounts(list.counts, counts.matching, loader.hasAllOpen);
  const limited = limitedGroups(counts.matching);
  if (group) bulk.render(all.get(group) ?? 0, limited.has(group));
  else bulk.render(sum(all.values()), limited.size > 0);
  notice.render();
}

/** React to a task that is new, or has joined another group. */
function taskChanged(/** @type {TaskRow} */ { task }, /** @type {Snapshot|null} */ before) {
  const group = groupOf(task);
  if (before) announcer.add(group, titleOf(task));
  const isLive = before !== null || task.prompt === undefined;
  if (isLive && (isEndedGroup(group) || !loader.hasAllOpen)) counts.loadSoon(() => attempt(loadCounts));
  if (before === null && task.prompt === undefined) descriptions.add(task);
}

function showStarted(/** @type {Started} */ { task }) {
  list.put(task);
  const text = task.state === "held" ? "The platform is at its limit: the task is queued. " : "Started. ";
  const link = h("a", { href: `t/${encodeURIComponent(task.id)}` }, "View task");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    attempt(() => openTask(readSecret(KEY), task.id));
  });
  part("feedback").hidden = false;
  part("feedback").replaceChildren(text, link);
}

/** Fill the form with the input of a task, and show it. */
async function edit(/** @type {Snapshot} */ task) {
  const { input } = await api().input(task.id);
  await (await form.loaded()).fill({ ...task, input });
  menu.close();
  jumpTo(part("start-fold"));
}

/** Scroll to a heading or to the form, open it, and focus it. */
function jumpTo(/** @type {HTMLElement} */ target) {
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView({ block: "start" });
  (target.querySelector("summary") ?? target).focus({ preventScroll: true });
}

function signOut() {
  writeSecret(KEY, "");
  forgetTokens();
  forgetDrafts();
  history.replaceState(null, "", location.pathname);
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
    part("dashboard").toggleAttribute("data-loaded", true);
    if (isReady) await loadCounts();
    render();
  });
}

/** Load what the list does not need. */
function loadRest() {
  if (isReady || !readSecret(KEY)) return;
  isReady = true;
  thumbnails.start();
  attempt(async () => {
    const loading = form.loaded().then((start) => (readSecret(KEY) ? start.load() : undefined)); // or signed out
    await Promise.all([loadCounts(), loading]);
  });
}

/** Count what is not loaded. */
async function loadCounts() {
  if (loader.hasAll) counts.reset();
  else await counts.load(list.filter);
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

/** Return whether the relay keeps copies of a task's results; false if that cannot be found out. */
async function hasCopies(/** @type {string} */ task) {
  try {
    const { outputs } = await api().outputs(task);
    return outputs.some(({ copy }) => copy !== null);
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
