// @ts-check
/**
 * Applies the theme in the address, and requests the state of its task while the page's script is still loading. The
 * relay puts this script into the page itself, so it imports nothing.
 *
 * The client takes the response over (`src/client/early-response.js`) if it would have sent the same request.
 */
{
  const theme = new URLSearchParams(location.search).get("theme") ?? "";
  // Before anything is drawn: a frame whose scheme differs from that of the page around it is not transparent.
  if (/^(light|dark)$/.test(theme)) document.documentElement.style.colorScheme = theme;

  const task = location.pathname.split("/").filter(Boolean).pop() ?? "";
  const linked = new URLSearchParams(location.hash.slice(1)).get("token");
  const token = linked && chooseToken(task, linked);
  if (token) {
    const url = new URL(`../v1/events?task=${task}`, location.href);
    const headers = { Accept: "application/json", Authorization: `Bearer ${token}` };
    const aborter = new AbortController();
    const response = fetch(url, { cache: "no-store", credentials: "omit", headers, signal: aborter.signal });
    response.catch(() => {}); // the client reports failures
    Object.assign(globalThis, { relayEarly: { url: url.href, token, response, aborter } });
  }

  /**
   * Return the token that the client will use: the one that the dashboard has stored for this tab, if there is one
   * (`src/dashboard/operator-tokens.js`). Empty if it expires soon, since the client renews it first.
   *
   * @param {string} task
   * @param {string} linked
   */
  function chooseToken(task, linked) {
    try {
      const kept = sessionStorage.getItem(`relay.token.${task}`);
      if (!kept) return linked;
      const { exp } = JSON.parse(atob(kept.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
      return exp > Date.now() / 1000 + 60 ? kept : "";
    } catch {
      return linked; // the browser forbids storage
    }
  }
}
