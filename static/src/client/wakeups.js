// @ts-check
/**
 * The browser's hints that the network or the page may be another one than before. They come in bursts, and each alone
 * means little: `offline` on a laptop that changes networks, `online` while the old connection still works.
 */

/** The last hint of a burst counts. */
const BURST_S = 0.5;

/**
 * @param {AbortSignal} signal ends the listening
 * @param {object} on
 * @param {() => void} on.shaken the network has changed, perhaps
 * @param {() => void} on.shown the page can be seen again
 * @param {() => void} on.restored the page came back from the back-forward cache: its connections are dead
 */
export function onWakeups(signal, { shaken, shown, restored }) {
  const { addEventListener, document } = globalThis;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let burst;
  signal.addEventListener("abort", () => clearTimeout(burst));
  // `offline` counts as well: a relay on the loopback stays within reach, and one that does not is soon found out.
  for (const type of ["online", "offline"]) {
    const hint = () => {
      clearTimeout(burst);
      burst = setTimeout(shaken, BURST_S * 1000);
    };
    addEventListener?.call(globalThis, type, hint, { signal });
  }
  const show = (/** @type {Event} */ event) => /** @type {PageTransitionEvent} */ (event).persisted && restored();
  addEventListener?.call(globalThis, "pageshow", show, { signal });
  document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && shown(), { signal });
}
