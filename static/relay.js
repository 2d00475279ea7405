export * from "./dist/relay.ZMRCS5J7.js";
