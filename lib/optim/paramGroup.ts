// Parameters that share their settings, as an entry of PyTorch's `param_groups`: plain properties that may be changed
// between steps. The rate, and a momentum that a schedule cycles, are tensors to the kernels (see rate.ts), so that they
// move without a new record; a captured step has the other settings built in and is recorded again when one changes.

import { expected, IsotorchError } from '../errors.js';
import type { OptimizerRow } from '../known/optimizers.js';
import { checkedSettings, snakeCase } from '../known/optimSettings.js';
import { capture, type Device, Tensor } from '../tensor/index.js';
import { Rate } from './rate.js';

/** What schedules write down in a group. */
export interface Scheduled {
  /** The learning rate that a schedule starts from. */
  initialLr?: number;
  maxLr?: number;
  minLr?: number;
  swaLr?: number;
  maxMomentum?: number;
  /** Where it is there, a schedule cycles the momentum (or the first of the betas). */
  baseMomentum?: number;
}

/** In the order in which they stand in a state. */
export const scheduledKeys: readonly (keyof Scheduled)[] = [
  'initialLr',
  'maxLr',
  'minLr',
  'swaLr',
  'maxMomentum',
  'baseMomentum',
];

type Settings = Record<string, unknown>;

export class ParamGroup implements Scheduled {
  readonly params: readonly Tensor[];
  /** The parameters' names, where they were given. */
  readonly paramNames: readonly string[] | undefined;
  declare initialLr?: number;
  declare maxLr?: number;
  declare minLr?: number;
  declare swaLr?: number;
  declare maxMomentum?: number;
  declare baseMomentum?: number;
  readonly #lr: Rate;
  readonly #momentum: Rate | undefined;
  #betas: readonly [number, number] | undefined;
  readonly #builtIn: readonly (() => unknown)[];

  /** @throws ERR_ARGUMENT for a setting that the row has not, or one out of its range */
  constructor(row: OptimizerRow<Settings>, { params, names }: CheckedParams, options: Settings) {
    const { lr, ...settings } = checkedSettings(row.name, row.settings, options);
    this.params = params;
    this.paramNames = names;
    this.#lr = new Rate(lr as number, 'lr');
    this.#betas = settings.betas as readonly [number, number] | undefined;
    const momentum = (settings.momentum as number | undefined) ?? this.#betas?.[0];
    this.#momentum = momentum === undefined ? undefined : new Rate(momentum, 'momentum');
    Object.assign(this, settings);
    const values = this as unknown as Settings;
    this.#builtIn = Object.keys(settings).map((key) => {
      if (key === 'momentum') return () => (this.isCycled ? undefined : this.momentum);
      if (key === 'betas') return () => (this.isCycled ? this.#betas![1] : this.#betas);
      return () => values[key];
    });
  }

  /** The learning rate. Schedules set it; so may you, between steps. */
  get lr(): number {
    return this.#lr.value;
  }

  set lr(value: number) {
    this.#lr.value = value;
  }

  get momentum(): number | undefined {
    return this.#betas === undefined ? this.#momentum?.value : undefined;
  }

  set momentum(value: number) {
    if (this.#betas !== undefined || this.#momentum === undefined)
      throw expected('an optimizer that has a momentum', 'momentum', value);
    this.#momentum.value = value;
  }

  get betas(): readonly [number, number] | undefined {
    return this.#betas;
  }

  set betas(value: readonly [number, number]) {
    if (this.#betas === undefined) throw expected('an optimizer that has betas', 'betas', value);
    this.#momentum!.value = value[0];
    this.#betas = Object.freeze([value[0], value[1]] as const);
  }

  /** Whether a schedule cycles the momentum, so that it is a tensor to the step. */
  get isCycled(): boolean {
    return this.baseMomentum !== undefined;
  }

  /** The rate as kernels read it. */
  lrOn(device: Device): Tensor {
    return this.#lr.on(device);
  }

  /** The momentum, or the first of the betas: a number, or a tensor while a schedule cycles it. */
  momentumOn(device: Device): number | Tensor {
    return this.isCycled ? this.#momentum!.on(device) : this.#momentum!.value;
  }

  /** Tells a step that is recorded of all settings that it has built in. */
  tellCapture(): void {
    for (const read of this.#builtIn) capture.dependsOn(read);
  }
}

/** The settings and what schedules wrote down, under PyTorch's names and in its order. */
export function packedGroup(row: OptimizerRow<Settings>, group: ParamGroup): Record<string, unknown> {
  const values = group as unknown as Settings;
  const keys = [...Object.keys(row.settings), ...scheduledKeys.filter((key) => values[key] !== undefined)];
  const packed: Record<string, unknown> = Object.fromEntries(keys.map((key) => [snakeCase(key), values[key]]));
  if (group.paramNames !== undefined) packed.param_names = [...group.paramNames];
  return packed;
}

export interface CheckedParams {
  params: readonly Tensor[];
  names: readonly string[] | undefined;
}

/** A parameter, or one with its name as `model.namedParameters()` gives it. */
export type MaybeNamed = Tensor | readonly [string, Tensor];

/**
 * The parameters of one group, checked.
 * @throws ERR_ARGUMENT for none, for one that is in `taken` or there twice, for tensors that are results of operators, and
 *   where some have names and others have none
 */
export function checkedParams(given: Iterable<MaybeNamed> | Tensor, taken: ReadonlySet<Tensor>): CheckedParams {
  if (given instanceof Tensor) return checkedParams([given], taken);
  if (typeof given !== 'object' || given === null || !(Symbol.iterator in given))
    throw expected('Parameters, such as model.parameters()', 'params', given);
  const list = [...given];
  if (list.length === 0) throw new IsotorchError('ERR_ARGUMENT', 'Expected at least one parameter but params is empty');
  const isNamed = (item: MaybeNamed): item is readonly [string, Tensor] =>
    Array.isArray(item) && item.length === 2 && typeof item[0] === 'string';
  const named = list.filter(isNamed);
  if (named.length > 0 && named.length < list.length)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      'Expected all parameters with a name or all without, but only some have one',
    );
  const params = list.map((item) => (isNamed(item) ? item[1] : item));
  const seen = new Set(taken);
  for (const param of params) {
    if (!(param instanceof Tensor)) throw expected('Parameters', 'params', param);
    if (!param.isLeaf)
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
  return { params, names: named.length > 0 ? named.map(([name]) => name) : undefined };
}
