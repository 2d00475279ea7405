export * from "./dist/relay.BDUPIYGN.js";
