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
   * @param {string} [more.code] the relay's word for it, empty where it was not the relay that answered
   * @param {number} [more.retry_s] how long to wait at least before the next try
   */
  constructor(status, title, { detail = "", errors = [], upstream = null, code = "", retry_s = 0 } = {}) {
    super(detail ? `${title}: ${detail}` : title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.errors = errors;
    this.upstream = upstream;
    this.code = code;
    this.retry_s = retry_s;
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
    code: typeof said.code === "string" ? said.code : "",
    retry_s: retryAfter_s(response.headers.get("Retry-After"), Date.now()),
  });
}

/**
 * Read `Retry-After`, which is in seconds or a date (RFC 9110 section 10.2.3); 0 where it says nothing.
 *
 * @param {string|null} value
 * @param {number} now_ms
 */
export function retryAfter_s(value, now_ms) {
  if (value === null) return 0;
  const after_s = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now_ms) / 1000;
  return Number.isNaN(after_s) ? 0 : Math.max(0, after_s);
}
