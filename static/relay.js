export * from "./dist/relay.TBLNCV3D.js";
