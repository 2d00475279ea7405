// @ts-check
/** What `/t/{id}` and `/embed/{id}` have in common: one <relay-task> for the task that the address names. */
import { ofFragment, ofQuery, taskOfPath } from "./address.js";
import { h, textElement } from "./dom.js";
import "./relay.js";

/**
 * Show the task in `place`, or say what the address lacks. A fragment that changes (another link pasted into the same
 * page) is taken up.
 *
 * @param {HTMLElement} place
 */
export function showTask(place) {
  const show = () => {
    const token = ofFragment("token");
    const shown = place.querySelector("relay-task");
    if (!token) place.replaceChildren(tokenMissing());
    else if (shown) shown.setAttribute("token", token);
    else place.replaceChildren(taskElement(token));
  };
  addEventListener("hashchange", show);
  show();
}

function taskElement(/** @type {string} */ token) {
  const element = document.createElement("relay-task");
  element.setAttribute("task", taskOfPath());
  element.setAttribute("token", token);
  if (ofQuery("wire")) element.setAttribute("wire", ofQuery("wire"));
  return element;
}

/** Half a link, as it comes out of a mail that was cut. */
export function tokenMissing() {
  return h(
    "section",
    { class: "card" },
    textElement("h2", "This link is not complete"),
    textElement("p", "It lacks the part after the # sign, which holds the token that opens the task: #token=…"),
    textElement("p", "Copy the whole link again, or ask whoever gave it to you for a new one.", "faint"),
  );
}
