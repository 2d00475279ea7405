export * from "./dist/relay.NLPEREJI.js";
