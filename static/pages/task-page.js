// @ts-check
/** What `/t/{id}` and `/embed/{id}` have in common: one <relay-task> for the task that the address names. */

import { h, textElement } from "../src/element/dom.js";
import { ofFragment, ofQuery, taskOfPath } from "./address.js";
import "../relay.js";

/**
 * @typedef {object} Own a token that this tab has for a task besides the one in the address
 * @property {(task: string) => string} own gives it, empty where there is none
 * @property {(task: string) => Promise<string>} renewOwn gives a fresh one, empty where there is none to be had
 */

/**
 * Show the task in `place`, or say what the address lacks. A fragment that changes (another link pasted into the same
 * page) is taken up.
 *
 * @param {HTMLElement} place
 * @param {Own} [own]
 */
export function showTask(place, own) {
  const show = () => {
    const token = ofFragment("token") && (own?.own(taskOfPath()) || ofFragment("token"));
    const shown = place.querySelector("relay-task");
    if (!token) place.replaceChildren(tokenMissing());
    else if (shown) shown.setAttribute("token", token);
    else place.replaceChildren(taskElement(token, own));
  };
  addEventListener("hashchange", show);
  show();
}

/**
 * @param {string} token
 * @param {Own} [own]
 */
function taskElement(token, own) {
  const element = document.createElement("relay-task");
  element.setAttribute("task", taskOfPath());
  element.setAttribute("token", token);
  if (own?.own(taskOfPath())) {
    element.getToken = async () => {
      const fresh = (await own.renewOwn(taskOfPath())) || ofFragment("token");
      if (fresh === element.token) return ""; // the one of the address is over, too
      element.setAttribute("token", fresh); // what the viewer may do has changed with it
      return fresh;
    };
  }
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
