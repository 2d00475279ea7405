export * from "./dist/relay.VAUKQZJX.js";
