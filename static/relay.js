export * from "./dist/relay.RDCALHGG.js";
