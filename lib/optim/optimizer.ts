// What every optimizer is to those who use one: parameter groups with a learning rate each, a step, a state that PyTorch's
// optimizers read and write too. And the checks of the parameters that are given to one.

import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import { Tensor } from '../tensor/index.js';

/** Parameters that share their settings. */
export interface ParamGroup {
  readonly params: readonly Tensor[];
  /** The learning rate. Schedules set it; so may you, between steps. */
  lr: number;
  /** The learning rate that a schedule starts from. */
  initialLr?: number;
}

/** PyTorch's layout of an optimizer's state: by the parameters' numbers, counted through all groups from 0. */
export interface OptimizerState {
  state: ReadonlyMap<number, Readonly<Record<string, unknown>>>;
  param_groups: readonly Readonly<Record<string, unknown>>[];
}

/** The same as it may come from a file: plain objects in place of Maps, and the other way round. */
export type OptimizerStateSource = OptimizerState | Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>;

/** What a GradScaler tells an optimizer; both are scalars on the gradients' device. */
export interface AmpOptions {
  /** Not 0: a gradient was infinite or NaN, and nothing moves. */
  foundInf?: Tensor;
  /** The gradients are this many times too large. */
  gradScale?: Tensor;
}

export interface Optimizer {
  readonly paramGroups: readonly ParamGroup[];
  /** Moves the parameters that have a gradient. */
  step(amp?: AmpOptions): void;
  /** Forgets the gradients; with `setToNone: false` fills them with zeros instead. */
  zeroGrad(options?: { setToNone?: boolean }): void;
  stateDict(): OptimizerState;
  loadStateDict(dict: OptimizerStateSource): void;
}

/**
 * The parameters of one group, checked.
 * @throws ERR_ARGUMENT for none, for one that is in `taken` or there twice, and for tensors that are results of operators.
 */
export function checkedParams(params: Iterable<Tensor> | Tensor, taken: ReadonlySet<Tensor>): Tensor[] {
  if (params instanceof Tensor) return checkedParams([params], taken);
  if (typeof params !== 'object' || params === null || !(Symbol.iterator in params))
    throw expected('Parameters, such as model.parameters()', 'params', params);
  const list = [...params];
  if (list.length === 0) throw new IsotorchError('ERR_ARGUMENT', 'Expected at least one parameter but params is empty');
  const seen = new Set(taken);
  for (const param of list) {
    if (!(param instanceof Tensor)) throw expected('Parameters', 'params', param);
    if (!param.isLeaf())
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected Parameters but received the result of an operator, ${param}: it is computed anew each time`,
      );
    if (seen.has(param))
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected each parameter once but one of shape [${param.shape.join(', ')}] is there twice`,
      );
    seen.add(param);
  }
  return list;
}

/** @throws ERR_ARGUMENT unless it is a finite number of `least` or more. */
export function amount(value: unknown, name: string, least = 0): number {
  if (typeof value !== 'number' || !(value >= least && Number.isFinite(value)))
    throw expected(`a finite number of ${least} or more`, name, value);
  return value;
}

/** A field of a plain object or of a Map, as either may come out of a file. */
export function field(source: unknown, name: string | number): unknown {
  if (types.isMap(source)) return source.get(name) ?? source.get(String(name));
  return typeof source === 'object' && source !== null ? (source as Record<string, unknown>)[name] : undefined;
}
