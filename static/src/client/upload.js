// @ts-check
/** Sends files with the start of a task. Uses XMLHttpRequest, because `fetch` does not report the progress of an upload. */
import { Problem, readProblem } from "./problem.js";

/** @import { StartBody, Started } from "./start-call.js" */
/** @typedef {{part: string, file: Blob}} Attachment a file and the name of its form part */

/**
 * Return the form of a start: the part `task` first, then one part for each file.
 *
 * @param {StartBody} body
 * @param {readonly Attachment[]} attachments
 */
export function startForm(body, attachments) {
  const form = new FormData();
  form.append("task", JSON.stringify(body));
  for (const { part, file } of attachments) form.append(part, file, nameOf(file) || part);
  return form;
}

/**
 * Send a form and report how much of it has been sent.
 *
 * @param {URL} url
 * @param {FormData} form
 * @param {object} options
 * @param {Record<string, string>} options.headers
 * @param {(share: number) => void} options.onProgress called with the share that has been sent, from 0 to 1
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<Started>}
 * @throws {Problem} as `callJson` does
 */
export function upload(url, form, { headers, onProgress, signal }) {
  const request = new XMLHttpRequest();
  request.open("POST", url);
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? loaded / total : 0));
  const abort = () => request.abort();
  signal?.addEventListener("abort", abort);
  const answered = new Promise((resolve, reject) => {
    request.addEventListener("abort", () => reject(signal?.reason));
    request.addEventListener("error", () =>
      reject(new Problem(0, "The relay cannot be reached, or it ended the upload")),
    );
    request.addEventListener("load", async () => {
      const headers = new Headers();
      const retryAfter = request.getResponseHeader("Retry-After");
      if (retryAfter) headers.set("Retry-After", retryAfter);
      const { status, statusText } = request;
      const response = new Response(request.responseText, { status, statusText, headers });
      if (response.ok) resolve(await response.json());
      else reject(await readProblem(response));
    });
    request.send(form);
  });
  return answered.finally(() => signal?.removeEventListener("abort", abort));
}

function nameOf(/** @type {Blob} */ file) {
  return "name" in file ? String(file.name) : "";
}
