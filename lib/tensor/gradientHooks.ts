// Functions that are called with gradients while backward() computes them. LibTorch calls them by number on this thread; what
// they do while a step is recorded becomes a record of its own, which the step's replays use on theirs.

import { expected, IsotorchError } from '../errors.js';
import { type Handle, native } from '../native.js';
import { recordFunction } from './capture/function.js';
import { isRecording } from './capture/recording.js';
import { Tensor } from './tensor.js';

/** What it gives, if anything, takes the gradient's place. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that only looks gives void
export type GradientHook = (gradient: Tensor) => Tensor | null | undefined | void;

/** What registering a hook gives: ends it. */
export interface HookHandle {
  /** Removes the hook; a second time does nothing. */
  remove(): void;
  [Symbol.dispose](): void;
}

/** Takes gradients that come together, and gives those that take their places. */
type Run = (gradients: readonly Tensor[]) => readonly Tensor[] | undefined;

const hooks = new Map<number, Run>();
let next = 1;
let changes = 0;

/** Changes when a hook comes or goes, other than within a step: a record of a step holds while it gives the same. */
export const hooksNow = (): number => changes;

function add(run: Run): number {
  if (next === 1) native.setHookRunner(call);
  for (const gone of native.droppedHooks()) hooks.delete(gone);
  hooks.set(next, run);
  return next++;
}

function call(number: number, handles: Float64Array, recording: boolean): Float64Array | undefined {
  const run = hooks.get(number);
  if (run === undefined) return undefined;
  const gradients = Array.from(handles, (handle: Handle) => new Tensor(handle));
  if (!recording) {
    const changed = run(gradients);
    return changed && Float64Array.of(0, ...changed.map(({ handle }) => handle));
  }
  const { id, results } = recordFunction(handles, () => [...(run(gradients) ?? gradients)]);
  return Float64Array.of(id, ...results.map(({ handle }) => handle));
}

/** @internal See Tensor.registerHook. */
export function registerHook(tensor: Tensor, hook: GradientHook): HookHandle {
  if (typeof hook !== 'function') throw expected('a function', 'hook', hook);
  const number = add(([gradient]) => {
    const changed = hook(gradient!);
    if (changed === undefined || changed === null) return undefined;
    if (!(changed instanceof Tensor)) throw expected('a Tensor or nothing', 'the result of a gradient hook', changed);
    return [changed];
  });
  let place: number;
  try {
    place = native.addHook(tensor.handle, number);
  } catch (error) {
    hooks.delete(number);
    throw error;
  }
  const change = () => {
    if (!isRecording()) changes++;
  };
  change();
  const remove = () => {
    if (!hooks.delete(number)) return;
    native.removeHook(number, tensor.handle, place);
    change();
  };
  return { remove, [Symbol.dispose]: remove };
}

/**
 * @internal The same tensors, whose gradients come to `run` together, and go on as what it gives.
 * @throws ERR_CAPTURE in a captured step.
 */
export function gateGradients(
  tensors: readonly Tensor[],
  run: (gradients: readonly Tensor[]) => readonly Tensor[] | undefined,
): Tensor[] {
  const number = add((gradients) => {
    const changed = run(gradients);
    if (changed !== undefined && changed.length !== gradients.length)
      throw new IsotorchError(
        'ERR_AUTOGRAD',
        `Expected ${gradients.length} gradients from a hook but received ${changed.length}`,
      );
    return changed;
  });
  const passed = native.gate(
    Float64Array.from(tensors, ({ handle }) => handle),
    number,
  );
  return Array.from(passed, (handle) => new Tensor(handle));
}
