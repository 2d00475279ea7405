// @ts-check
/** The client, without user interface. Safe to import on a server that renders pages. */
export { Problem } from "../../../static/src/client/problem.js";
export { reduce } from "../../../static/src/client/reducer.js";
export { RelayBoard } from "../../../static/src/client/relay-board.js";
export { RelayClient } from "../../../static/src/client/relay-client.js";
export { resume, run } from "../../../static/src/client/run.js";
export { TaskError } from "../../../static/src/client/task-error.js";
