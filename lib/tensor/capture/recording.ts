// Whether a step is being recorded, and what of JavaScript's state its record depends on. Layers, optimizers and losses that
// branch on a setting (training mode, a momentum) tell of it here, so that a later call with another setting records anew
// instead of repeating what was right for the old one.

import { native } from '../../native.js';

/** Reads a value that the step's operators depend on. */
export type Dependency = () => unknown;

let dependencies: Map<Dependency, unknown> | undefined;

/** Whether a step is being recorded in this thread. */
export const isRecording = (): boolean => dependencies !== undefined;

/**
 * The record that is being made, if any, is good only while `read` gives what it gives now. Give the same function object
 * each time: it is asked once for each call of the step.
 */
export function dependsOn(read: Dependency): void {
  if (dependencies !== undefined && !dependencies.has(read)) dependencies.set(read, read());
}

/** Whether all still give what they gave while recording. */
export function hold(known: ReadonlyMap<Dependency, unknown>): boolean {
  for (const [read, value] of known) if (!Object.is(read(), value)) return false;
  return true;
}

/**
 * Runs `fn` so that no record sees it: what it makes is there once, like everything that was made before, and what it reads
 * are the values of this call. For state that a step makes on first use; keep() that state, or it ends with the step.
 */
export function outside<T>(fn: () => T): T {
  if (dependencies === undefined) return fn();
  native.pauseRecording(true);
  try {
    return fn();
  } finally {
    native.pauseRecording(false);
  }
}

/**
 * @internal Notes what `fn` tells of by itself, so that what is recorded apart within a step knows its own dependencies; the
 * step depends on them too.
 */
export function collecting<T>(fn: () => T): { result: T; known: Map<Dependency, unknown> } {
  const outer = dependencies;
  const known = new Map<Dependency, unknown>();
  dependencies = known;
  try {
    return { result: fn(), known };
  } finally {
    dependencies = outer;
    for (const read of known.keys()) dependsOn(read);
  }
}

/** @internal Records what `fn` does; gives the dependencies that it told of. The caller ends or aborts the recording. */
export function whileRecording<T>(inputs: Float64Array, fn: () => T): { result: T; known: Map<Dependency, unknown> } {
  native.beginRecording(inputs);
  const known = new Map<Dependency, unknown>();
  dependencies = known;
  try {
    return { result: fn(), known };
  } finally {
    dependencies = undefined;
  }
}
