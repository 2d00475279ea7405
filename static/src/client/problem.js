// @ts-check
/** Reads error responses: the relay's problem documents (RFC 9457), and those of other HTTP servers. */

/** @typedef {{field: string, message: string}} FieldError */

export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {object} [more]
   * @param {string} [more.detail]
   * @param {FieldError[]} [more.errors]
   * @param {{code?: number|string|null, message?: string}|null} [more.upstream]
   * @param {string} [more.code] the relay's error code; empty if something other than the relay answered
   * @param {number} [more.retry_s] the minimum wait before the next attempt
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
 * Convert an error response into a `Problem`. Never throws.
 *
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
export async function readProblem(response) {
  const body = await response.json().catch(() => null);
  const fields = typeof body === "object" && body !== null ? body : {};
  const title =
    typeof fields.title === "string" ? fields.title : `HTTP ${response.status} ${response.statusText}`.trim();
  return new Problem(response.status, title, {
    detail: typeof fields.detail === "string" ? fields.detail : "",
    errors: Array.isArray(fields.errors) ? fields.errors : [],
    upstream: fields.upstream ?? null,
    code: typeof fields.code === "string" ? fields.code : "",
    retry_s: retryAfter_s(response.headers.get("Retry-After"), Date.now()),
  });
}

/**
 * Parse `Retry-After`, which holds seconds or a date (RFC 9110 section 10.2.3).
 *
 * @param {string|null} value
 * @param {number} now_ms
 * @returns {number} 0 if it is absent, invalid or in the past
 */
export function retryAfter_s(value, now_ms) {
  if (value === null) return 0;
  const after_s = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - now_ms) / 1000;
  return Number.isNaN(after_s) ? 0 : Math.max(0, after_s);
}
