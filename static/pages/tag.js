// @ts-check
/**
 * The tasks of a tag, for their owner: `/b/{tag}#token=…`. With a start token, also a form that starts more.
 *
 * The link works on any device, as long as its token is valid.
 */
import { DEFAULT_BASE } from "../src/client/base.js";
import { callJson } from "../src/client/json-call.js";
import { Problem } from "../src/client/problem.js";
import { allows } from "../src/client/token-claims.js";
import { h } from "../src/element/dom.js";
import "../src/elements.js";
import forms from "../src/form/forms.css" with { type: "css" };
import { showProblem } from "../src/form/problem-view.js";
import { fragmentValue, taskFromPath } from "./address.js";
import { showPage } from "./styles.js";

/** @import { Model } from "../src/form/model.js" */

showPage(forms);
show();
addEventListener("hashchange", show);

function show() {
  const [tag, token] = [taskFromPath(), fragmentValue("token")];
  part("board").replaceChildren(h("relay-board", { tag, token }));
  part("start").hidden = true;
  if (allows(token, "start")) showModels(token).catch((error) => showProblem(part("problem"), error));
}

/** Offer the models that the token may start. */
async function showModels(/** @type {string} */ token) {
  /** @type {{models: Model[]}} */
  const { models } = await callJson(new URL("v1/models", DEFAULT_BASE), { token });
  const usable = models.filter(({ available }) => available);
  if (!usable.length) throw new Problem(0, "There is no model that this link can start");
  const select = /** @type {HTMLSelectElement} */ (part("model"));
  select.replaceChildren(...usable.map(({ model }) => new Option(model)));
  const change = () => part("form").replaceChildren(h("relay-form", { model: select.value, token }));
  select.onchange = change;
  change();
  part("choice").hidden = usable.length === 1;
  part("start").hidden = false;
}

// The board shows the new task as its first row.
addEventListener("relay-started", (event) => event.preventDefault());

function part(/** @type {string} */ id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
