// What convolutions and transposed convolutions have in common: weights for groups of channels, their first values, print.

import { IsotorchError } from '../../errors.js';
import { Parameter, type Tensor, torch } from '../../tensor/index.js';
import { type FactoryOptions, factory } from '../arguments.js';
import { linearDefault_ } from '../init.js';
import { Module } from '../module.js';
import { python } from '../print.js';
import type { Each, Rank } from '../sizes.js';

/** How a border is filled. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

/** What all of them are made with. */
export interface ConvolutionSettings<R extends Rank> {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Each<R, number>;
  readonly stride: Each<R, number>;
  readonly padding: Each<R, number> | 'same' | 'valid';
  readonly dilation: Each<R, number>;
  readonly groups: number;
  readonly bias: boolean;
  readonly paddingMode: PaddingMode;
}

export abstract class Convolution<R extends Rank, Inputs extends unknown[] = [input: Tensor]> extends Module<
  Tensor,
  Inputs
> {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Each<R, number>;
  readonly stride: Each<R, number>;
  readonly padding: Each<R, number> | 'same' | 'valid';
  readonly dilation: Each<R, number>;
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  weight: Parameter;
  bias: Parameter | null;

  /** @param transposed whether weights are [in, out / groups, …kernel] instead of [out, in / groups, …kernel] */
  constructor(
    settings: ConvolutionSettings<R> & { [K in keyof FactoryOptions]: FactoryOptions[K] | null },
    transposed: boolean,
  ) {
    super();
    const { inChannels, outChannels, kernelSize, groups } = settings;
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected groups that divide inChannels and outChannels but received ${groups} for ${inChannels} and ${outChannels}`,
      );
    }
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = kernelSize;
    this.stride = settings.stride;
    this.padding = settings.padding;
    this.dilation = settings.dilation;
    this.groups = groups;
    this.paddingMode = settings.paddingMode;
    const kind = factory(settings);
    const channels = transposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    this.weight = new Parameter(torch.empty([...channels, ...kernelSize], kind));
    this.bias = settings.bias ? new Parameter(torch.empty([outChannels], kind)) : null;
    linearDefault_(this.weight, this.bias);
  }

  /** What the print shows between dilation and groups. */
  protected reprOfOutput(): string[] {
    return [];
  }

  override extraRepr(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias, paddingMode } = this;
    return [
      `${inChannels}, ${outChannels}, kernel_size=${python(kernelSize)}, stride=${python(stride)}`,
      ...unlessAll(0, 'padding', padding),
      ...unlessAll(1, 'dilation', dilation),
      ...this.reprOfOutput(),
      ...(groups === 1 ? [] : [`groups=${groups}`]),
      ...(bias === null ? ['bias=False'] : []),
      ...(paddingMode === 'zeros' ? [] : [`padding_mode=${paddingMode}`]),
    ].join(', ');
  }

  override brief(): string {
    return `${this.constructor.name} ${this.inChannels} → ${this.outChannels}`;
  }
}

/** `name=value`, unless all its numbers are the usual one. */
export const unlessAll = (usual: number, name: string, value: string | readonly number[]): string[] =>
  typeof value !== 'string' && value.every((size) => size === usual) ? [] : [`${name}=${python(value)}`];
