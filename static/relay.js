// @ts-check
/** The one module that other people's pages load: the client, the reducer, and <relay-task>, which it registers. */
import "./relay-task-element-define.js";

export { RelayBoard } from "./board.js";
export { RelayClient } from "./client.js";
export { reduce } from "./reducer.js";
export { RelayTaskElement } from "./relay-task-element.js";
