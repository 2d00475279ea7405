export * from "./dist/relay.KAN6UQTM.js";
