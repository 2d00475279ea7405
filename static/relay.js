export * from "./dist/relay.2LOQXXGL.js";
