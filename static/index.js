// @ts-check
/**
 * The board, `/`: signs in with an API key, shows all tasks live, starts them, and leads to their pages.
 *
 * The key comes from a form or from `#key=…`; it lives in this tab's session storage and is taken out of the address.
 */
import { ofFragment } from "./address.js";
import { Api } from "./api.js";
import { BoardHead } from "./board-head.js";
import { BoardLoader } from "./board-loader.js";
import { NO_FILTER } from "./board-view.js";
import { h, setText } from "./dom.js";
import { CONNECTION_WORDS } from "./format.js";
import { mint } from "./operator-calls.js";
import { showProblem } from "./problem-view.js";
import { Problem } from "./problem.js";
import { StartForm } from "./start-form.js";
import { TaskList } from "./task-list.js";

const KEY = "relay.key";
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

takeKeyFromAddress();
addEventListener("hashchange", () => {
  if (takeKeyFromAddress()) show();
});
part("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = /** @type {HTMLInputElement} */ (part("sign-in").querySelector("input"));
  sessionStorage.setItem(KEY, field.value.trim());
  field.value = "";
  show();
});
part("sign-out").addEventListener("click", () => signOut());
part("refresh").addEventListener("click", () => load(() => loader.refresh()));
part("more").addEventListener("click", () => load(() => loader.more()));
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && key()) refreshSoon();
});
const startForm = new StartForm(/** @type {HTMLFormElement} */ (part("start")), {
  api,
  key,
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
show();

function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

function api() {
  return new Api(key(), (date) => list.clock.hint(date));
}

/** @returns {boolean} whether there was one */
function takeKeyFromAddress() {
  const given = ofFragment("key");
  if (!given) return false;
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

function show() {
  clearTimeout(refreshing);
  isLoaded = false;
  head.reset();
  list.clear();
  list.filter = NO_FILTER;
  loader.reset();
  const signedIn = key() !== "";
  part("sign-in").hidden = signedIn;
  for (const id of ["sign-out", "board"]) part(id).hidden = !signedIn;
  part("none").hidden = true;
  if (!signedIn) return;
  list.follow(key());
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
  badge.hidden = key() === "" || list.isEmpty;
  badge.dataset.connection = connection;
  setText(badge, connection === "ended" ? "up to date" : (CONNECTION_WORDS[connection] ?? connection));
}

function signOut() {
  sessionStorage.removeItem(KEY);
  part("told").hidden = true;
  showProblem(part("problem"), null);
  show();
}

/** Read the list again soon, but not too often: without streams the relay lists all tasks with each poll. */
function refreshSoon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(
    () => {
      if (document.visibilityState === "visible" && key()) load(() => loader.refresh());
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

/** @returns {Promise<import("./types.js").Snapshot|null>} null for a task that is gone */
async function readTask(/** @type {string} */ id) {
  try {
    return await api().task(id);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

async function attempt(/** @type {() => Promise<void>} */ action) {
  const place = part("problem");
  try {
    await action();
    showProblem(place, null);
  } catch (error) {
    if (error instanceof Problem && error.status === 401) signOut();
    showProblem(place, error);
  }
}

/** Go to a task's page with all that its owner may do, and with a token that only sees for whoever gets the link. */
async function open(/** @type {string} */ task) {
  const [full, share] = await Promise.all([mint(key(), task, "view cancel input"), mint(key(), task, "view")]);
  location.assign(`t/${encodeURIComponent(task)}#${new URLSearchParams({ token: full.token, share: share.token })}`);
}
