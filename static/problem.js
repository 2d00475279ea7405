// @ts-check
/** A refusal in words: reads the relay's problem answers (RFC 9457), and whatever else an HTTP server may answer. */

/** @typedef {{field: string, message: string}} FieldError */

export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {object} [more]
   * @param {string} [more.detail]
   * @param {FieldError[]} [more.errors]
   * @param {{code?: number|string|null, message?: string}|null} [more.upstream]
   */
  constructor(status, title, { detail = "", errors = [], upstream = null } = {}) {
    super(detail ? `${title}: ${detail}` : title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
    this.upstream = upstream;
  }
}

/**
 * Make a `Problem` of an answer that is not ok; never throws.
 *
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
export async function readProblem(response) {
  const body = await response.json().catch(() => null);
  const said = typeof body === "object" && body !== null ? body : {};
  const title = typeof said.title === "string" ? said.title : `HTTP ${response.status} ${response.statusText}`.trim();
  return new Problem(response.status, title, {
    detail: typeof said.detail === "string" ? said.detail : "",
    errors: Array.isArray(said.errors) ? said.errors : [],
    upstream: said.upstream ?? null,
  });
}
