// @ts-check
/** Signs in by a printed link, `/#code=…`: its code is valid once, so the browser's history holds nothing of use. */
import { DEFAULT_BASE } from "../client/base.js";
import { Problem, readProblem } from "../client/problem.js";

/**
 * Trade a code for the API key.
 *
 * @param {string} code
 * @returns {Promise<string>}
 */
export async function tradeCode(code) {
  const response = await fetch(new URL("v1/login", DEFAULT_BASE), {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
    cache: "no-store",
    credentials: "omit",
  }).catch((error) => {
    if (error instanceof TypeError) throw new Problem(0, "The relay cannot be reached");
    throw error;
  });
  if (!response.ok) throw await readProblem(response);
  return (await response.json()).key;
}
