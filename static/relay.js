// @ts-check
/** The module that other pages load: registers <relay-task>, and exports the client and the reducer. */
import "./src/element/define.js";

export { reduce } from "./src/client/reducer.js";
export { RelayBoard } from "./src/client/relay-board.js";
export { RelayClient } from "./src/client/relay-client.js";
export { RelayTaskElement } from "./src/element/relay-task-element.js";
