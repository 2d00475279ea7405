// @ts-check
/** Calls the relay's REST API. */
import { Problem, readProblem } from "./problem.js";

/**
 * Send a request and return the JSON of its response; null without content.
 *
 * @param {URL} url
 * @param {object} [options]
 * @param {string} [options.method]
 * @param {string} [options.token] a viewer token or an API key
 * @param {object} [options.body] sent as JSON
 * @param {FormData} [options.form] sent in place of `body`
 * @param {Record<string, string>} [options.headers] more headers
 * @param {RequestCredentials} [options.credentials]
 * @param {AbortSignal} [options.signal]
 * @param {(response: Response) => void} [options.onResponse] called with each response, errors included
 * @returns {Promise<any>}
 * @throws {Problem} if the relay cannot be reached (status 0) or returns an error
 */
export async function callJson(url, options = {}) {
  const { method = "GET", token, body, form, headers, credentials, signal, onResponse } = options;
  const allHeaders = new Headers({ ...headers, Accept: "application/json" });
  if (token) allHeaders.set("Authorization", `Bearer ${token}`);
  if (body) allHeaders.set("Content-Type", "application/json");
  const init = { method, headers: allHeaders, body: form ?? (body && JSON.stringify(body)), credentials, signal };
  const response = await fetch(url, { ...init, cache: "no-store" }).catch((error) => {
    if (error instanceof TypeError) throw new Problem(0, "The relay cannot be reached"); // a network error
    throw error;
  });
  onResponse?.(response);
  if (!response.ok) throw await readProblem(response);
  return response.status === 204 ? null : response.json();
}
