export * from "./dist/relay.XDRD4RMN.js";
