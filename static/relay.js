// @ts-check
/** The one module that other people's pages load: the client, the reducer, and <relay-task>, which it registers. */
import "./src/element/define.js";

export { reduce } from "./src/client/reducer.js";
export { RelayBoard } from "./src/client/relay-board.js";
export { RelayClient } from "./src/client/relay-client.js";
export { RelayTaskElement } from "./src/element/relay-task-element.js";
