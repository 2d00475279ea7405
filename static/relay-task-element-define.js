// @ts-check
/** Registers <relay-task>. Loading it twice, from two places too, is harmless. */
import { RelayTaskElement } from "./relay-task-element.js";

if (!customElements.get("relay-task")) customElements.define("relay-task", RelayTaskElement);
