// @ts-check
/**
 * The board, `/`: signs in with an API key, shows all tasks live, starts them, and leads to their pages.
 *
 * The key comes from a form, for `#code=…` from the relay, or from `#key=…`. It is kept for this tab, and the address
 * loses it.
 */

import { Problem } from "../src/client/problem.js";
import { Api } from "../src/dashboard/api.js";
import { BoardHead } from "../src/dashboard/list-header.js";
import { tradeCode } from "../src/dashboard/login.js";
import { forgetTokens, mintForPage } from "../src/dashboard/operator-tokens.js";
import { showProblem } from "../src/dashboard/problem-view.js";
import { StartForm } from "../src/dashboard/start-form.js";
import { KEY, readSecret, writeSecret } from "../src/dashboard/tab-store.js";
import { NO_FILTER } from "../src/dashboard/task-groups.js";
import { TaskList } from "../src/dashboard/task-list.js";
import { BoardLoader } from "../src/dashboard/task-loader.js";
import { h, setText } from "../src/element/dom.js";
import { CONNECTION_WORDS } from "../src/element/format.js";
import { ofFragment } from "./address.js";

/** The list is read again this long after it was read last, at the soonest. */
const REFRESH_MS = 10_000;

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {ReturnType<typeof setTimeout>|undefined} */
let refreshing;
let readAt_ms = 0;
let isLoaded = false;
const list = new TaskList(part("list"), {
  open: (task) => attempt(() => open(task)),
  changed: () => showHead(),
  listed: refreshSoon,
});
const loader = new BoardLoader({ list: (query) => api().list(query), read: readTask, shown: list });
const head = new BoardHead(
  part,
  (change) => {
    list.filter = { ...list.filter, ...change };
    load(() => loader.load(list.filter));
  },
  () => list.clock.now(),
);

addEventListener("hashchange", () => {
  if (ofFragment("key") || ofFragment("code")) enter();
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
const startForm = new StartForm(/** @type {HTMLFormElement} */ (part("start")), {
  api,
  key: () => readSecret(KEY),
  started({ task }) {
    list.put(task);
    const words = task.state === "held" ? "The platform is at its limit: the task waits. " : "Started. ";
    const watch = h("a", { href: `t/${encodeURIComponent(task.id)}` }, "Watch it");
    watch.addEventListener("click", (event) => {
      event.preventDefault();
      attempt(() => open(task.id));
    });
    part("told").hidden = false;
    part("told").replaceChildren(words, watch);
  },
});
// On a small screen the tasks are what one comes for.
if (matchMedia("(max-width: 63.99rem)").matches) part("start-fold").removeAttribute("open");
enter();

function api() {
  return new Api(readSecret(KEY), (date) => list.clock.hint(date));
}

/** Sign in with what the address has, if it has something, and show the board or the form. */
async function enter() {
  const [given, code] = [ofFragment("key"), ofFragment("code")];
  if (given || code) history.replaceState(null, "", location.pathname + location.search);
  if (given) writeSecret(KEY, given);
  if (code) await attempt(async () => writeSecret(KEY, await tradeCode(code)), { signsOut: false });
  show();
}

function show() {
  clearTimeout(refreshing);
  isLoaded = false;
  head.reset();
  list.clear();
  list.filter = NO_FILTER;
  loader.reset();
  const signedIn = readSecret(KEY) !== "";
  part("sign-in").hidden = signedIn;
  for (const id of ["sign-out", "board"]) part(id).hidden = !signedIn;
  part("none").hidden = true;
  if (!signedIn) return;
  list.follow(readSecret(KEY));
  load(() => loader.load(list.filter));
}

function showHead() {
  const { counts, tags, filter, connection } = list;
  const isFiltered = filter.tag !== "" || filter.text !== "" || filter.since !== null;
  head.render(counts, tags, filter, loader.known);
  part("standing").hidden = list.isEmpty && !isFiltered;
  part("more").hidden = !loader.hasMore;
  part("none").hidden = !isLoaded || !list.isEmpty || isFiltered;
  part("no-match").hidden = !isLoaded || !(list.hidesAll || (list.isEmpty && isFiltered));
  const badge = part("connection");
  badge.hidden = readSecret(KEY) === "" || list.isEmpty;
  badge.dataset.connection = connection;
  setText(badge, connection === "ended" ? "up to date" : (CONNECTION_WORDS[connection] ?? connection));
}

function signOut() {
  writeSecret(KEY, "");
  forgetTokens();
  part("told").hidden = true;
  showProblem(part("problem"), null);
  show();
}

/** Read the list again soon, but not too often: without streams the relay lists all tasks with each poll. */
function refreshSoon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(
    () => {
      if (document.visibilityState === "visible" && readSecret(KEY)) load(() => loader.refresh());
    },
    Math.max(0, readAt_ms + REFRESH_MS - performance.now()),
  );
}

function load(/** @type {() => Promise<void>} */ read) {
  readAt_ms = performance.now();
  return attempt(async () => {
    await read();
    isLoaded = true;
    showHead();
    await startForm.load();
  });
}

/** @returns {Promise<import("../src/client/types.js").Snapshot|null>} null for a task that is gone */
async function readTask(/** @type {string} */ id) {
  try {
    return await api().task(id);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

/**
 * Do something, and say what goes wrong.
 *
 * @param {() => Promise<void>} action
 * @param {{signsOut?: boolean}} [options] whether a refused credential is the key
 */
async function attempt(action, { signsOut = true } = {}) {
  const place = part("problem");
  try {
    await action();
    showProblem(place, null);
  } catch (error) {
    if (error instanceof Problem && error.status === 401 && signsOut) signOut();
    showProblem(place, error);
  }
}

/** Go to a task's page. The token in its address can only watch; the one that can do more stays in this tab. */
async function open(/** @type {string} */ task) {
  const token = await mintForPage(readSecret(KEY), task);
  location.assign(`t/${encodeURIComponent(task)}#token=${token}`);
}
