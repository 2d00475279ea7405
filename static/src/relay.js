// @ts-check
/** What `/static/relay.js` exports. Loading it registers <relay-task>. */
import "./element/define.js";

export { Problem } from "./client/problem.js";
export { reduce } from "./client/reducer.js";
export { RelayBoard } from "./client/relay-board.js";
export { RelayClient } from "./client/relay-client.js";
export { resume, run } from "./client/run.js";
export { TaskError } from "./client/task-error.js";
export { RelayTaskElement } from "./element/relay-task-element.js";
