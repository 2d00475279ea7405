import type { DefineComponent, MaybeRefOrGetter, ShallowRef } from "vue";
import type { BoardOptions, BoardState, TaskAttributes, TaskOptions } from "./frameworks.js";
import type { GetToken, RelayUpdate } from "./relay.js";

export type { BoardOptions, BoardState, TaskOptions };

/** Follow a task. Its `state` is null before the first message. */
export function useTask(options: MaybeRefOrGetter<TaskOptions>): Readonly<ShallowRef<RelayUpdate>>;

/** Follow the tasks of a tag, or with `all` those of the relay. */
export function useBoard(options: MaybeRefOrGetter<BoardOptions>): Readonly<ShallowRef<BoardState>>;

export interface RelayTaskProps extends TaskAttributes {
  compact?: boolean;
  notify?: boolean;
  getToken?: GetToken;
  usual?: { p50_s: number; p90_s: number };
  onUpdate?: (event: CustomEvent<RelayUpdate>) => void;
  onDone?: (event: CustomEvent<RelayUpdate>) => void;
  onError?: (event: CustomEvent<RelayUpdate>) => void;
}

/** `<relay-task>`, whose script is loaded in the browser only. Templates need no `isCustomElement` for it. */
export const RelayTask: DefineComponent<RelayTaskProps>;
