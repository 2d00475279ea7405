// @ts-check
/** What `/static/elements.js` exports: all of relay.js, and the elements that start and list tasks. */
import { RelayBoardElement } from "./board/relay-board-element.js";
import { RelayFormElement } from "./form/relay-form-element.js";

export * from "./relay.js";
export { RelayBoardElement, RelayFormElement };

const registry = globalThis.customElements;
if (registry && !registry.get("relay-board")) registry.define("relay-board", RelayBoardElement);
if (registry && !registry.get("relay-form")) registry.define("relay-form", RelayFormElement);
