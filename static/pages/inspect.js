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
import { h, setText } from "../src/element/dom.js";
import { CONNECTION_LABELS, clockTime, STATE_LABELS } from "../src/element/format.js";
import forms from "../src/form/forms.css" with { type: "css" };
import { fragmentValue, taskFromPath } from "./address.js";
import inspector from "./inspect.css" with { type: "css" };
import { MessageList } from "./message-list.js";
import { showPage } from "./styles.js";
import { missingToken } from "./task-page.js";

/** @import { RelayEvent, RelayUpdate, WireName } from "../relay.js" */

showPage(forms, inspector);

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const filter = /** @type {HTMLInputElement} */ (part("filter"));
const follow = /** @type {HTMLInputElement} */ (part("follow"));
const wireSelect = /** @type {HTMLSelectElement} */ (part("wire"));
const container = part("messages");
const list = new MessageList(container, drawn);

const clock = new ServerClock();
/** @type {RelayClient|null} */
let client = null;
/** The `seq` of the last event that has a row. */
let lastSeq = 0;
let messageCount = 0;
let connection = "";

filter.addEventListener("input", () => {
  list.filter = filter.value;
});
container.addEventListener("scroll", () => {
  follow.checked = container.scrollHeight - container.scrollTop - container.clientHeight < 8;
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

/** Add the events so far, all at once. If they cannot be read, the live messages say why. */
async function addHistory(/** @type {string} */ token) {
  /** @type {RelayEvent[]} */
  const events = [];
  try {
    for await (const event of eventsAfter({ base: DEFAULT_BASE, task: taskFromPath(), token }, lastSeq)) {
      events.push(event);
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  for (const event of events) addEvent(event);
}

/**
 * @param {RelayUpdate} update
 * @param {string} token
 */
function update({ state, message, reason, wire, connection: newConnection }, token) {
  clock.adjust(message);
  if (newConnection !== connection) {
    connection = newConnection;
    add("connection", "", connection, reason || `over ${wire}`, clock.now());
  }
  if (message) {
    messageCount += 1;
    if (isEvent(message)) addEvent(message);
    else add("message", "", message.type, JSON.stringify(message), relayTime_s(message));
    if (message.type === "snapshot" && state && state.seq > lastSeq) addHistory(token);
  }
  const badge = part("connection");
  badge.dataset.connection = newConnection;
  setText(badge, CONNECTION_LABELS[newConnection]);
  if (!state) return;
  part("state").dataset.state = state.state;
  setText(part("state"), STATE_LABELS[state.state]);
  setText(part("about"), `${state.model} · ${state.id} · seq ${state.seq}`);
  document.title = `Events of ${state.model}`;
}

function addEvent(/** @type {RelayEvent} */ event) {
  if (event.seq <= lastSeq) return;
  lastSeq = event.seq;
  add("event", String(event.seq), event.type, JSON.stringify(event), event.at);
}

/**
 * @param {"event"|"message"|"connection"} kind
 * @param {string} seq
 * @param {string} type
 * @param {string} text
 * @param {number|null} at
 */
function add(kind, seq, type, text, at) {
  list.add({ kind, seq, time: at === null ? "" : clockTime(at, clock.now()), type, text });
}

function drawn() {
  const { matching, shown } = list;
  const older = matching > shown ? `; showing the newest ${shown} of ${matching} rows` : "";
  setText(part("counts"), `${messageCount} live ${messageCount === 1 ? "message" : "messages"}${older}`);
  scrollIfFollowing();
}

function scrollIfFollowing() {
  if (follow.checked) container.scrollTop = container.scrollHeight;
}

/** Save the messages as JSON Lines, for tests and bug reports. */
function save() {
  const texts = list.lines.filter(({ kind }) => kind !== "connection").map(({ text }) => `${text}\n`);
  const address = URL.createObjectURL(new Blob(texts, { type: "application/jsonl" }));
  h("a", { href: address, download: `${taskFromPath()}.jsonl` }).click();
  URL.revokeObjectURL(address);
}
