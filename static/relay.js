export * from "./dist/relay.DPV7UGGA.js";
