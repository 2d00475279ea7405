// @ts-check
/** The list of webhooks, `/webhooks`: what has become of each, and a button that sends it again. */
import { Api } from "../src/dashboard/api.js";
import { Attempts } from "../src/dashboard/attempts.js";
import { KEY, readSecret, writeSecret } from "../src/dashboard/tab-store.js";
import { WebhookRow } from "../src/dashboard/webhook-row.js";
import { setText } from "../src/element/dom.js";
import forms from "../src/form/forms.css" with { type: "css" };
import { showPage } from "./styles.js";
import sheet from "./webhooks.css" with { type: "css" };

showPage(forms, sheet);

const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const status = /** @type {HTMLSelectElement} */ (part("status"));
const attempts = new Attempts(part("problem"), () => {
  writeSecret(KEY, "");
  load();
});
/** The cursor of the next page; null on the last one. */
let next = /** @type {string|null} */ (null);

status.addEventListener("change", load);
part("refresh").addEventListener("click", load);
part("more").addEventListener("click", () => attempts.run(readPage));
load();

/** Show the first page, or the way to sign in. */
function load() {
  const isSignedIn = readSecret(KEY) !== "";
  part("signed-out").hidden = isSignedIn;
  part("webhooks").hidden = !isSignedIn;
  if (!isSignedIn) return;
  attempts.run(async () => {
    next = null;
    await readPage();
  });
}

/** Read the page at `next`, or the first one, which replaces what is shown. */
async function readPage() {
  const cursor = next;
  const query = new URLSearchParams({ limit: "50" });
  if (status.value) query.set("status", status.value);
  if (cursor) query.set("cursor", cursor);
  const page = await new Api(readSecret(KEY)).webhooks(query);
  const rows = page.webhooks.map((webhook) => new WebhookRow(webhook, sendAgain).element);
  if (cursor) part("list").append(...rows);
  else part("list").replaceChildren(...rows);
  next = page.next;
  if (cursor) rows[0]?.focus(); // the button may be gone
  part("more").hidden = next === null;
  const count = part("list").children.length;
  part("none").hidden = count > 0;
  setText(part("announcement"), count ? `${count} webhooks listed` : "No webhooks");
}

function sendAgain(/** @type {WebhookRow} */ row) {
  attempts.run(async () => {
    row.render(await new Api(readSecret(KEY)).sendAgain(row.webhook.id));
    row.element.focus();
    setText(part("announcement"), "The webhook is sent again.");
  });
}
