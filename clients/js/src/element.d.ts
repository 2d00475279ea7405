export type * from "./elements.js";
export { RelayBoardElement, RelayFormElement, RelayTaskElement } from "./elements.js";
