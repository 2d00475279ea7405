// @ts-check
/**
 * Requests the state of the task in the address while the page's script is still loading. The relay puts this script
 * into the page itself, so it imports nothing.
 *
 * The client takes the response over (`src/client/early-response.js`) if it would have sent the same request.
 */
{
  const task = location.pathname.split("/").filter(Boolean).pop() ?? "";
  const linked = new URLSearchParams(location.hash.slice(1)).get("token");
  const token = linked && (keptToken(task) ?? linked);
  if (token) {
    const url = new URL(`../v1/events?task=${task}`, location.href);
    const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
    const aborter = new AbortController();
    const response = fetch(url, { cache: "no-store", credentials: "omit", headers, signal: aborter.signal });
    response.catch(() => {}); // the client reports failures
    Object.assign(globalThis, { relayEarly: { url: url.href, token, response, aborter } });
  }

  /** Return the token that the dashboard has stored for this tab, as `src/dashboard/operator-tokens.js` does. */
  function keptToken(/** @type {string} */ task) {
    try {
      return sessionStorage.getItem(`relay.token.${task}`);
    } catch {
      return null; // the browser forbids storage
    }
  }
}
