// @ts-check
/**
 * The dashboard, `/`: signs in with an API key, lists tasks, starts them, and leads to their pages.
 *
 * The key comes from a form or from `#key=…`; it lives in this tab's session storage and is taken out of the address.
 */
import { ofFragment } from "./address.js";
import { Api } from "./api.js";
import { h } from "./dom.js";
import { Problem } from "./problem.js";
import { showProblem } from "./problem-view.js";
import { linkUrl } from "./safe-url.js";
import { StartForm } from "./start-form.js";
import { TaskList } from "./task-list.js";

const KEY = "relay.key";

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const list = new TaskList(part("list"), (task) => attempt(async () => go((await api().token(task)).links.view)));
/** @type {string|null} */
let next = null;

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
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && key()) load(null);
});
const startForm = new StartForm(/** @type {HTMLFormElement} */ (part("start")), {
  api,
  started({ task, links }) {
    list.add([task], key());
    part("none").hidden = true;
    const words = task.state === "held" ? "The platform is at its limit: the task waits. " : "Started. ";
    part("told").hidden = false;
    part("told").replaceChildren(words, h("a", { href: viewUrl(links.view) }, "Watch it"));
  },
});
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
  const signedIn = key() !== "";
  part("sign-in").hidden = signedIn;
  for (const id of ["sign-out", "start", "tasks"]) part(id).hidden = !signedIn;
  if (signedIn) load(null);
}

function signOut() {
  sessionStorage.removeItem(KEY);
  part("told").hidden = true;
  showProblem(part("problem"), null);
  show();
}

/** Load a page of the list: the newest with null. Rows that are there already only become newer. */
function load(/** @type {string|null} */ cursor) {
  return attempt(async () => {
    const first = list.isEmpty;
    const page = await api().list(cursor);
    list.add(page.tasks, key());
    if (cursor !== null || first) next = page.next; // a refresh of the top leaves the place where "more" goes on
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

/** A link of the relay's, which may be relative. */
function viewUrl(/** @type {string} */ view) {
  return linkUrl(new URL(view, location.href).href) ?? "/";
}

function go(/** @type {string} */ view) {
  location.assign(viewUrl(view));
}
