export type * from "./relay.js";
export { RelayTaskElement } from "./relay.js";
