// @ts-check
/**
 * The inspector, `/inspect/{id}#token=…`: the task's log so far, every message as it arrives, and every change of the
 * connection between them. A button drops the connection, to show how it recovers.
 */
import { DEFAULT_BASE } from "../src/client/base.js";
import { Problem } from "../src/client/problem.js";
import { isEvent } from "../src/client/reducer.js";
import { RelayClient } from "../src/client/relay-client.js";
import { relayTime_s, ServerClock } from "../src/client/server-clock.js";
import { eventsAfter } from "../src/client/task-calls.js";
import { h, setText, textElement } from "../src/element/dom.js";
import { CONNECTION_LABELS, clockTime, STATE_LABELS } from "../src/element/format.js";
import { fragmentValue, taskFromPath } from "./address.js";
import forms from "./forms.css" with { type: "css" };
import inspector from "./inspect.css" with { type: "css" };
import { showPage } from "./styles.js";
import { missingToken } from "./task-page.js";

/** @import { RelayEvent, RelayUpdate, WireName } from "../relay.js" */

showPage(forms, inspector);

/** The number of rows displayed. Older lines are still saved, up to their own limit. */
const MAX_ROWS = 1000;
const MAX_LINES = 20_000;

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const filter = /** @type {HTMLInputElement} */ (part("filter"));
const follow = /** @type {HTMLInputElement} */ (part("follow"));
const wireSelect = /** @type {HTMLSelectElement} */ (part("wire"));
const list = part("messages");

const clock = new ServerClock();
/** @type {RelayClient|null} */
let client = null;
/** The `seq` of the last event that has a row. */
let lastSeq = 0;
/** @type {{text: string, row: HTMLElement}[]} */
let lines = [];
let messageCount = 0;
let connection = "";

filter.addEventListener("input", () => {
  for (const { text, row } of lines) row.hidden = !matches(text);
});
list.addEventListener("scroll", () => {
  follow.checked = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
});
follow.addEventListener("change", scrollIfFollowing);
wireSelect.addEventListener("change", open);
part("cut").addEventListener("click", () => client?.cut());
part("save").addEventListener("click", save);
addEventListener("hashchange", open);
open();

async function open() {
  client?.stop();
  client = null;
  const token = fragmentValue("token");
  if (!token) return part("place").replaceChildren(missingToken());
  part("inspector").hidden = false;
  part("watch").hidden = false;
  part("watch").setAttribute("href", `../t/${encodeURIComponent(taskFromPath())}${location.hash}`);
  connection = "";
  const wire = /** @type {WireName} */ (wireSelect.value);
  await addHistory(token);
  if (wire === wireSelect.value && token === fragmentValue("token")) connect(token, wire); // else `open` ran again
}

/**
 * @param {string} token
 * @param {WireName} wire
 */
function connect(token, wire) {
  client?.stop();
  client = new RelayClient({ task: taskFromPath(), token, wire });
  client.addEventListener("update", ({ detail }) => update(detail, token));
}

/** Add the events so far. If they cannot be read, the live messages say why. */
async function addHistory(/** @type {string} */ token) {
  try {
    for await (const event of eventsAfter({ base: DEFAULT_BASE, task: taskFromPath(), token }, lastSeq)) {
      addEvent(event);
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/**
 * @param {RelayUpdate} update
 * @param {string} token
 */
function update({ state, message, reason, wire, connection: newConnection }, token) {
  clock.adjust(message);
  if (newConnection !== connection) {
    connection = newConnection;
    addRow("connection", "", connection, reason || `over ${wire}`, clock.now());
  }
  if (message) {
    messageCount += 1;
    if (isEvent(message)) addEvent(message);
    else addRow("message", "", message.type, JSON.stringify(message), relayTime_s(message));
    if (message.type === "snapshot" && state && state.seq > lastSeq) addHistory(token);
  }
  const badge = part("connection");
  badge.dataset.connection = newConnection;
  setText(badge, CONNECTION_LABELS[newConnection]);
  const older = lines.length > MAX_ROWS ? `; showing the newest ${MAX_ROWS} rows` : "";
  setText(part("counts"), `${messageCount} live ${messageCount === 1 ? "message" : "messages"}${older}`);
  if (!state) return;
  part("state").dataset.state = state.state;
  setText(part("state"), STATE_LABELS[state.state]);
  setText(part("about"), `${state.model} · ${state.id} · seq ${state.seq}`);
  document.title = `Events of ${state.model}`;
}

function addEvent(/** @type {RelayEvent} */ event) {
  if (event.seq <= lastSeq) return;
  lastSeq = event.seq;
  addRow("event", String(event.seq), event.type, JSON.stringify(event), event.at);
}

/**
 * @param {"event"|"message"|"connection"} kind
 * @param {string} seq
 * @param {string} type
 * @param {string} text
 * @param {number|null} at
 */
function addRow(kind, seq, type, text, at) {
  const row = h(
    "div",
    { "data-kind": kind },
    textElement("span", seq, "seq"),
    textElement("span", at === null ? "" : clockTime(at, clock.now()), "faint"),
    textElement("span", type, "type"),
    textElement("span", text, "raw"),
  );
  row.hidden = !matches(`${type} ${text}`);
  lines.push({ text: `${type} ${text}`, row });
  list.append(row);
  if (list.children.length > MAX_ROWS) list.firstElementChild?.remove();
  if (lines.length > MAX_LINES) lines = lines.slice(-MAX_LINES);
  if (follow.checked) scrollIfFollowing();
}

function matches(/** @type {string} */ text) {
  return text.toLowerCase().includes(filter.value.trim().toLowerCase());
}

function scrollIfFollowing() {
  if (follow.checked) list.scrollTop = list.scrollHeight;
}

/** Save the messages as JSON Lines, for tests and bug reports. */
function save() {
  const rows = lines.map(({ row }) => row).filter(({ dataset }) => dataset.kind !== "connection");
  const texts = rows.map((row) => `${row.lastElementChild?.textContent}\n`);
  const address = URL.createObjectURL(new Blob(texts, { type: "application/jsonl" }));
  h("a", { href: address, download: `${taskFromPath()}.jsonl` }).click();
  URL.revokeObjectURL(address);
}
