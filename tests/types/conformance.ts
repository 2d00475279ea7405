/** Compares the classes and functions that relay.d.ts declares with their implementation. Checked by tsc; never run. */
import type * as elements from "../../static/elements.js";
import type * as declared from "../../static/relay.js";
import type { RelayBoardElement } from "../../static/src/board/relay-board-element.js";
import type { Problem } from "../../static/src/client/problem.js";
import type { reduce } from "../../static/src/client/reducer.js";
import type { RelayBoard } from "../../static/src/client/relay-board.js";
import type { RelayClient } from "../../static/src/client/relay-client.js";
import type { resume, run } from "../../static/src/client/run.js";
import type { TaskError } from "../../static/src/client/task-error.js";
import type { RelayTaskElement } from "../../static/src/element/relay-task-element.js";
import type { RelayFormElement } from "../../static/src/form/relay-form-element.js";

/** The public members of a class; a mapped type leaves out the private ones. */
type Public<T> = { [Name in keyof T]: T[Name] };
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Constructor = abstract new (...options: never) => unknown;

/** The callbacks that the browser calls are no part of the public interface. */
type Lifecycle = "connectedCallback" | "disconnectedCallback" | "attributeChangedCallback";
/** The keys that are symbols are between an element and its base class. */
type Members<C extends Constructor> = Public<Omit<InstanceType<C>, Lifecycle | symbol>>;
type Conforms<Implemented extends Constructor, Declared extends Constructor> = Equal<
  [Members<Implemented>, ConstructorParameters<Implemented>],
  [Members<Declared>, ConstructorParameters<Declared>]
>;
/** The fields of an error are plain, but pages are not to change them. */
type SameError<Implemented extends Constructor, Declared extends Constructor> = Equal<
  [Readonly<InstanceType<Implemented>>, ConstructorParameters<Implemented>],
  [Readonly<InstanceType<Declared>>, ConstructorParameters<Declared>]
>;

true satisfies Conforms<typeof RelayClient, typeof declared.RelayClient>;
true satisfies Conforms<typeof RelayBoard, typeof declared.RelayBoard>;
true satisfies Conforms<typeof RelayTaskElement, typeof declared.RelayTaskElement>;
true satisfies Equal<typeof reduce, typeof declared.reduce>;
true satisfies Equal<typeof run, typeof declared.run>;
true satisfies Equal<typeof resume, typeof declared.resume>;
true satisfies SameError<typeof Problem, typeof declared.Problem>;
true satisfies SameError<typeof TaskError, typeof declared.TaskError>;
true satisfies Conforms<typeof RelayBoardElement, typeof elements.RelayBoardElement>;
true satisfies Conforms<typeof RelayFormElement, typeof elements.RelayFormElement>;
