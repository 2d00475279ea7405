// @ts-check
/** Calls of the board that the plain API client does not have: a start with files, and tokens of a chosen scope. */
import { DEFAULT_BASE } from "../client/base.js";
import { Problem, readProblem } from "../client/problem.js";

/** @typedef {import("./api.js").Links} Links */
/** @typedef {{task: import("../client/types.js").Snapshot, token: string, links: Links}} Started */
/** @typedef {{part: string, file: File}} Enclosure a file, and the part of the form that it is sent as */

/**
 * Mint a viewer token.
 *
 * @param {string} key
 * @param {string} task
 * @param {string} scope space-separated: view, cancel, input
 * @param {number} [ttl_s] how long it lives; as long as the relay is set to unless said
 * @returns {Promise<{token: string, links: Links}>}
 */
export async function mint(key, task, scope, ttl_s) {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const response = await fetch(new URL(`v1/tasks/${encodeURIComponent(task)}/tokens`, DEFAULT_BASE), {
    method: "POST",
    headers,
    body: JSON.stringify({ scope, ttl: ttl_s }),
  }).catch((error) => {
    if (error instanceof TypeError) throw new Problem(0, "The relay cannot be reached");
    throw error;
  });
  if (!response.ok) throw await readProblem(response);
  return response.json();
}

/**
 * Start a task with files: the part `task` first, then one part for each file. By XMLHttpRequest, because only that
 * tells how far an upload is.
 *
 * @param {string} key
 * @param {object} body as for a start without files
 * @param {Enclosure[]} files
 * @param {object} more
 * @param {string} more.idempotencyKey
 * @param {(share: number) => void} more.sent called with how much has been sent, from 0 to 1
 * @returns {Promise<Started>}
 */
export function startWithFiles(key, body, files, { idempotencyKey, sent }) {
  const form = new FormData();
  form.append("task", JSON.stringify(body));
  for (const { part, file } of files) form.append(part, file, file.name);
  const request = new XMLHttpRequest();
  request.open("POST", new URL("v1/tasks", DEFAULT_BASE));
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Authorization", `Bearer ${key}`);
  request.setRequestHeader("Idempotency-Key", idempotencyKey);
  request.upload.addEventListener("progress", ({ loaded, total }) => sent(total ? loaded / total : 0));
  return new Promise((resolve, reject) => {
    request.addEventListener("error", () => reject(new Problem(0, "The relay cannot be reached, or ended the upload")));
    request.addEventListener("load", async () => {
      const answer = new Response(request.responseText, { status: request.status, statusText: request.statusText });
      if (answer.ok) resolve(await answer.json());
      else reject(await readProblem(answer));
    });
    request.send(form);
  });
}
