// @ts-check
/** Registers the elements. On a server that renders pages, the import has no effect. */
import "../../../static/src/element/define.js";

export { RelayTaskElement } from "../../../static/src/element/relay-task-element.js";
