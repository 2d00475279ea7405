export type * from "./relay.js";
export { Problem, RelayBoard, RelayClient, reduce, resume, run, TaskError } from "./relay.js";
