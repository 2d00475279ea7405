// @ts-check
/** Starts a task with files. */
import { DEFAULT_BASE } from "./base.js";
import { Problem, readProblem } from "./problem.js";

/** @import { StartBody, Started } from "../dashboard/api.js" */
/** @typedef {{part: string, file: File}} Attachment a file and the name of its form part */

/**
 * Start a task with files: the part `task` first, then one part for each file. Uses XMLHttpRequest, because `fetch` does
 * not report the progress of an upload.
 *
 * @param {string} key
 * @param {StartBody} body
 * @param {Attachment[]} attachments
 * @param {object} options
 * @param {string} options.idempotencyKey
 * @param {(share: number) => void} options.onProgress called with the share that has been sent, from 0 to 1
 * @returns {Promise<Started>}
 */
export function startWithFiles(key, body, attachments, { idempotencyKey, onProgress }) {
  const form = new FormData();
  form.append("task", JSON.stringify(body));
  for (const { part, file } of attachments) form.append(part, file, file.name);
  const request = new XMLHttpRequest();
  request.open("POST", new URL("v1/tasks", DEFAULT_BASE));
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Authorization", `Bearer ${key}`);
  request.setRequestHeader("Idempotency-Key", idempotencyKey);
  request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? loaded / total : 0));
  return new Promise((resolve, reject) => {
    request.addEventListener("error", () =>
      reject(new Problem(0, "The relay cannot be reached, or it ended the upload")),
    );
    request.addEventListener("load", async () => {
      const response = new Response(request.responseText, { status: request.status, statusText: request.statusText });
      if (response.ok) resolve(await response.json());
      else reject(await readProblem(response));
    });
    request.send(form);
  });
}
