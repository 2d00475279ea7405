/** How the modules of static/ are built, for the scripts of the relay and for the npm package. */
import { readFileSync } from "node:fs";
import { transform } from "esbuild";

/** The oldest supported browsers. */
export const TARGET = ["chrome105", "edge105", "firefox110", "safari16.4"];

/** Turns `import sheet from "./x.css" with { type: "css" }` into a sheet that is created from a string. */
export const styleSheets = {
  name: "style-sheets",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true, target: TARGET });
      const css = JSON.stringify(code.trim());
      return {
        contents: `const sheet = globalThis.CSSStyleSheet && new CSSStyleSheet();
          sheet?.replaceSync(${css});
          export default sheet;`,
      };
    });
  },
};
