/** Composables and a component for Vue 3.3 and later. */
import { defineComponent, h, onMounted, onScopeDispose, shallowReadonly, shallowRef, toValue, watch } from "vue";
import { BoardStore, NO_TASK, NO_TASKS, TaskStore } from "./stores.js";

/** Follow a task. The options may be a ref or a getter. Returns a ref of what an `update` of `RelayClient` has. */
export function useTask(options) {
  return useStore(TaskStore, options, NO_TASK);
}

/** Follow the tasks of a tag, or with `all` those of the relay. Returns a ref of `tasks`, the newest first. */
export function useBoard(options) {
  return useStore(BoardStore, options, NO_TASKS);
}

function useStore(Store, options, initial) {
  const current = shallowRef(initial);
  if (!globalThis.document) return shallowReadonly(current); // on a server that renders pages
  let store = null;
  let stop = () => {};
  watch(
    () => ({ ...toValue(options) }),
    (now) => {
      if (store?.isFor(now)) return store.update(now);
      stop();
      const opened = new Store(now);
      store = opened;
      current.value = initial;
      stop = opened.subscribe(() => {
        current.value = opened.current;
      });
    },
    { immediate: true },
  );
  onScopeDispose(() => stop());
  return shallowReadonly(current);
}

/** `<relay-task>`, whose script is loaded in the browser only. Templates need no `isCustomElement` for it. */
export const RelayTask = defineComponent({
  name: "RelayTask",
  props: {
    task: { type: String, required: true },
    token: String,
    base: String,
    wire: String,
    theme: String,
    accent: String,
    lang: String,
    compact: Boolean,
    notify: Boolean,
    getToken: Function,
    usual: Object,
  },
  emits: ["update", "done", "error"],
  setup(props, { emit, slots }) {
    onMounted(() => import("./element.js"));
    const renew = (topic) => props.getToken(topic); // another function would start another connection
    return () => {
      const { compact, notify, getToken, usual, ...attributes } = props;
      return h(
        "relay-task",
        {
          ...Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`^${name}`, value])),
          "^compact": compact ? "" : undefined,
          "^notify": notify ? "" : undefined,
          ".getToken": getToken && renew,
          ".usual": usual,
          onRelayUpdate: (event) => emit("update", event),
          onRelayDone: (event) => emit("done", event),
          onRelayError: (event) => emit("error", event),
        },
        slots.default?.(),
      );
    };
  },
});
