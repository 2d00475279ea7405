// @ts-check
/** Registers <relay-task>. Loading it twice, from two places too, is harmless, and so is loading it on a server. */
import { RelayTaskElement } from "./relay-task-element.js";

const registry = globalThis.customElements;
if (registry && !registry.get("relay-task")) registry.define("relay-task", RelayTaskElement);
