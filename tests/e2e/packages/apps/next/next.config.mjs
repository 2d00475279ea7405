import { fileURLToPath } from "node:url";

/** The page is rendered while it is built, in Node, and again in the browser. */
export default {
  output: "export",
  devIndicators: false,
  turbopack: { root: fileURLToPath(new URL("../..", import.meta.url)) },
};
