export * from "./dist/relay.CRAILGH4.js";
