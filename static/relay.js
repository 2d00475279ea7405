export * from "./dist/relay.MAKZXCNA.js";
