"use client";
/** Hooks and a component for React 18 and later. */
import { createElement, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { BoardStore, NO_TASK, NO_TASKS, TaskStore } from "./stores.js";

/** Follow a task. Returns what an `update` of `RelayClient` has; its `state` is null before the first message. */
export function useTask(options) {
  const { task, base, wire } = options;
  // biome-ignore lint/correctness/useExhaustiveDependencies: fresh tokens do not start a new connection
  const store = useMemo(() => new TaskStore(options), [task, base, wire]);
  return useStore(store, options, NO_TASK);
}

/** Follow the tasks of a tag, or with `all` those of the relay. Returns `tasks`, the newest first, and `connection`. */
export function useBoard(options) {
  const { tag, all, base } = options;
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above
  const store = useMemo(() => new BoardStore(options), [tag, all, base]);
  return useStore(store, options, NO_TASKS);
}

function useStore(store, { token, getToken }, initial) {
  useEffect(() => store.update({ token, getToken }), [store, token, getToken]);
  return useSyncExternalStore(
    store.subscribe,
    () => store.current,
    () => initial,
  );
}

/** `<relay-task>`, whose script is loaded in the browser only. */
export function RelayTask({ className, compact, notify, getToken, usual, onUpdate, onDone, onError, ...others }) {
  const element = useRef(null);
  useEffect(() => {
    import("./element.js");
  }, []);
  const latest = useRef(getToken);
  const canRenew = Boolean(getToken);
  useEffect(() => {
    latest.current = getToken;
  });
  useEffect(() => {
    // Another function would start another connection, and a component creates one whenever it renders.
    element.current.getToken = canRenew ? (topic) => latest.current(topic) : undefined;
  }, [canRenew]);
  useEffect(() => {
    element.current.usual = usual ?? null;
  }, [usual]);
  useListener(element, "relay-update", onUpdate);
  useListener(element, "relay-done", onDone);
  useListener(element, "relay-error", onError);
  const attributes = {
    ...others,
    class: className,
    compact: compact ? "" : undefined,
    notify: notify ? "" : undefined,
  };
  return createElement("relay-task", { ...attributes, ref: element });
}

function useListener(element, type, listener) {
  useEffect(() => {
    const { current } = element;
    if (!listener) return undefined;
    current.addEventListener(type, listener);
    return () => current.removeEventListener(type, listener);
  }, [element, type, listener]);
}
