// @ts-check
/** The page of one task, `/t/{id}#token=…`: its title says how far it is, in a tab that is not looked at too. */
import { shortStatus } from "./format.js";
import { showTask } from "./task-page.js";

const place = /** @type {HTMLElement} */ (document.getElementById("place"));

place.addEventListener("relay-update", (event) => {
  /** @type {import("./client.js").RelayUpdate} */
  const { state } = /** @type {CustomEvent} */ (event).detail;
  if (!state) return;
  const title = `(${shortStatus(state)}) ${state.model}`;
  if (document.title !== title) document.title = title;
});
showTask(place);
