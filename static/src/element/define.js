// @ts-check
/** Registers <relay-task>. Does nothing if it is registered already, or without a DOM. */
import { RelayTaskElement } from "./relay-task-element.js";

const registry = globalThis.customElements;
if (registry && !registry.get("relay-task")) registry.define("relay-task", RelayTaskElement);
