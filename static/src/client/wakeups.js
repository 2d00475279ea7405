// @ts-check
/**
 * Reports the browser's hints that the network or the page has changed. Hints come in bursts, and each alone means
 * little: a laptop that changes networks fires `offline`, and `online` may fire while the old connection still works.
 */

/** Only the last hint of a burst counts. */
const BURST_S = 0.5;

/**
 * @param {AbortSignal} signal stops the listeners
 * @param {object} handlers
 * @param {() => void} handlers.onNetworkChange the network may have changed
 * @param {() => void} handlers.onVisible the page is visible again
 * @param {() => void} handlers.onRestore the page returned from the back-forward cache: its connections are dead
 */
export function onWakeups(signal, { onNetworkChange, onVisible, onRestore }) {
  const { addEventListener, document } = globalThis;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let burst;
  signal.addEventListener("abort", () => clearTimeout(burst));
  // A relay on the loopback stays reachable while the browser is offline, so `offline` is only a hint as well.
  for (const type of ["online", "offline"]) {
    const hint = () => {
      clearTimeout(burst);
      burst = setTimeout(onNetworkChange, BURST_S * 1000);
    };
    addEventListener?.call(globalThis, type, hint, { signal });
  }
  const onShow = (/** @type {Event} */ event) => /** @type {PageTransitionEvent} */ (event).persisted && onRestore();
  addEventListener?.call(globalThis, "pageshow", onShow, { signal });
  document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && onVisible(), {
    signal,
  });
}
