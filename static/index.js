// @ts-check
/**
 * The board, `/`: signs in with an API key, shows all tasks live, starts them, and leads to their pages.
 *
 * The key comes from a form or from `#key=…`; it lives in this tab's session storage and is taken out of the address.
 */
import { ofFragment } from "./address.js";
import { Api } from "./api.js";
import { BoardHead } from "./board-head.js";
import { h, setText } from "./dom.js";
import { CONNECTION_WORDS } from "./format.js";
import { mint } from "./operator-calls.js";
import { showProblem } from "./problem-view.js";
import { Problem } from "./problem.js";
import { linkUrl } from "./safe-url.js";
import { StartForm } from "./start-form.js";
import { TaskList } from "./task-list.js";

const KEY = "relay.key";
/** A task that somebody else starts is found so soon, as long as somebody looks. */
const LOOK_AGAIN_MS = 15_000;

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {string|null} */
let next = null;
const head = new BoardHead(part, (change) => {
  if (change.tag) list.followTag(change.tag, key());
  list.filter = { ...list.filter, ...change };
});
const list = new TaskList(part("list"), { open: (task) => attempt(() => open(task)), changed: showHead });

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
part("refresh").addEventListener("click", () => load(null));
part("more").addEventListener("click", () => load(next));
document.addEventListener("visibilitychange", lookAgain);
setInterval(lookAgain, LOOK_AGAIN_MS);
const startForm = new StartForm(/** @type {HTMLFormElement} */ (part("start")), {
  api,
  key,
  started({ task, links }) {
    list.add([task], key());
    const words = task.state === "held" ? "The platform is at its limit: the task waits. " : "Started. ";
    const watch = h("a", { href: viewUrl(links.view) }, "Watch it");
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
  return new Api(key());
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
  list.clear();
  next = null;
  const signedIn = key() !== "";
  part("sign-in").hidden = signedIn;
  for (const id of ["sign-out", "board"]) part(id).hidden = !signedIn;
  part("none").hidden = true;
  if (signedIn) load(null);
}

function showHead() {
  const { counts, tags, filter, connection } = list;
  head.render(counts, tags, filter, next !== null);
  part("standing").hidden = list.isEmpty;
  part("no-match").hidden = !list.hidesAll;
  if (!list.isEmpty) part("none").hidden = true;
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

function lookAgain() {
  if (document.visibilityState === "visible" && key()) load(null);
}

/** Load a page of the list: the newest with null. Rows that are there already only become newer. */
function load(/** @type {string|null} */ cursor) {
  return attempt(async () => {
    const first = list.isEmpty;
    const page = await api().list(cursor);
    if (cursor !== null || first) next = page.next; // a refresh of the top leaves the place where "more" goes on
    list.add(page.tasks, key());
    part("more").hidden = next === null;
    part("none").hidden = !list.isEmpty;
    await startForm.load();
  });
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
  location.assign(viewUrl(`${full.links.view}&share=${share.token}`));
}

/** A link of the relay's, which may be relative. */
function viewUrl(/** @type {string} */ view) {
  return linkUrl(new URL(view, location.href).href) ?? "/";
}
