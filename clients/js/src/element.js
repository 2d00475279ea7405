// @ts-check
/** Registers the elements. On a server that renders pages, the import has no effect. */
export { RelayBoardElement, RelayFormElement, RelayTaskElement } from "../../../static/src/elements.js";
