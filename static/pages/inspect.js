// @ts-check
/**
 * The inspector, `/inspect/{id}#token=…`: the task's log so far, every message as it comes, and every change of the
 * connection between them.
 * Its button cuts the connection, so that one can see it recover.
 */

import { Problem } from "../src/client/problem.js";
import { isEvent } from "../src/client/reducer.js";
import { DEFAULT_BASE, RelayClient } from "../src/client/relay-client.js";
import { ServerClock } from "../src/client/server-clock.js";
import { eventsAfter } from "../src/client/task-calls.js";
import { h, setText, textElement } from "../src/element/dom.js";
import { CONNECTION_WORDS, clockTime, STATE_WORDS } from "../src/element/format.js";
import { ofFragment, taskOfPath } from "./address.js";
import { tokenMissing } from "./task-page.js";

/** So many rows are shown; what is older is still saved, up to its own cap. */
const MOST_ROWS = 1000;
const MOST_LINES = 20_000;

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const filter = /** @type {HTMLInputElement} */ (part("filter"));
const follow = /** @type {HTMLInputElement} */ (part("follow"));
const wire = /** @type {HTMLSelectElement} */ (part("wire"));
const list = part("messages");

const clock = new ServerClock();
/** @type {RelayClient|null} */
let client = null;
/** The last event that there is a row for. */
let seen = 0;
/** @type {{text: string, row: HTMLElement}[]} */
let lines = [];
let heard = 0;
let connection = "";

filter.addEventListener("input", () => {
  for (const { text, row } of lines) row.hidden = !matches(text);
});
list.addEventListener("scroll", () => {
  follow.checked = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
});
follow.addEventListener("change", toEnd);
wire.addEventListener("change", open);
part("cut").addEventListener("click", () => client?.cut());
part("save").addEventListener("click", save);
addEventListener("hashchange", open);
open();

async function open() {
  client?.stop();
  client = null;
  const token = ofFragment("token");
  if (!token) return part("place").replaceChildren(tokenMissing());
  part("inspector").hidden = false;
  part("watch").hidden = false;
  part("watch").setAttribute("href", `../t/${encodeURIComponent(taskOfPath())}${location.hash}`);
  connection = "";
  const chosen = /** @type {import("../src/client/types.js").WireName} */ (wire.value);
  await addHistory(token);
  if (chosen === wire.value && token === ofFragment("token")) connect(token, chosen); // else somebody chose anew
}

/**
 * @param {string} token
 * @param {import("../src/client/types.js").WireName} wireName
 */
function connect(token, wireName) {
  client?.stop();
  client = new RelayClient({ task: taskOfPath(), token, wire: wireName });
  client.addEventListener("update", (event) => take(/** @type {CustomEvent} */ (event).detail, token));
}

/** What happened before anybody looked. Where it cannot be had the live messages still say why. */
async function addHistory(/** @type {string} */ token) {
  try {
    for await (const event of eventsAfter({ base: DEFAULT_BASE, task: taskOfPath(), token }, seen)) addEvent(event);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/**
 * @param {import("../src/client/relay-client.js").RelayUpdate} update
 * @param {string} token
 */
function take(update, token) {
  const { state, message, reason } = update;
  clock.hear(message);
  if (update.connection !== connection) {
    connection = update.connection;
    add("connection", "", connection, reason || `over ${update.wire}`, clock.now());
  }
  if (message) {
    heard += 1;
    if (isEvent(message)) addEvent(message);
    else add("frame", "", message.type, JSON.stringify(message), /** @type {{at?: number}} */ (message).at);
    if (message.type === "snapshot" && state && state.seq > seen) addHistory(token);
  }
  const badge = part("connection");
  badge.dataset.connection = connection;
  setText(badge, CONNECTION_WORDS[connection] ?? connection);
  const older = lines.length > MOST_ROWS ? `; the newest ${MOST_ROWS} rows are shown` : "";
  setText(part("counts"), `${heard} ${heard === 1 ? "message" : "messages"} heard live${older}`);
  if (!state) return;
  part("state").dataset.state = state.state;
  setText(part("state"), STATE_WORDS[state.state]);
  setText(part("about"), `${state.model} · ${state.id} · seq ${state.seq}`);
  document.title = `Events of ${state.model}`;
}

function addEvent(/** @type {import("../src/client/types.js").RelayEvent} */ event) {
  if (event.seq <= seen) return;
  seen = event.seq;
  add("event", String(event.seq), event.type, JSON.stringify(event), event.at);
}

/**
 * @param {"event"|"frame"|"connection"} kind
 * @param {string} seq
 * @param {string} type
 * @param {string} text
 * @param {number} [at]
 */
function add(kind, seq, type, text, at) {
  const row = h(
    "div",
    { "data-kind": kind },
    textElement("span", seq, "seq"),
    textElement("span", at ? clockTime(at, clock.now()) : "", "faint"),
    textElement("span", type, "type"),
    textElement("span", text, "raw"),
  );
  row.hidden = !matches(`${type} ${text}`);
  lines.push({ text: `${type} ${text}`, row });
  list.append(row);
  if (list.children.length > MOST_ROWS) list.firstElementChild?.remove();
  if (lines.length > MOST_LINES) lines = lines.slice(-MOST_LINES);
  if (follow.checked) toEnd();
}

function matches(/** @type {string} */ text) {
  return text.toLowerCase().includes(filter.value.trim().toLowerCase());
}

function toEnd() {
  if (follow.checked) list.scrollTop = list.scrollHeight;
}

/** What was heard, a line for each message: what a test or a reader of bug reports needs. */
function save() {
  const texts = lines.map(({ row }) => row).filter(({ dataset }) => dataset.kind !== "connection");
  const blob = new Blob(
    texts.map((row) => `${row.lastElementChild?.textContent}\n`),
    { type: "application/jsonl" },
  );
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: `${taskOfPath()}.jsonl` }).click();
  URL.revokeObjectURL(address);
}
