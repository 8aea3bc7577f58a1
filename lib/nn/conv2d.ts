// Two-dimensional convolution.

import { expected, IsotorchError } from '../errors.js';
import { Parameter, type Tensor, torch } from '../tensor/index.js';
import { type FactoryOptions, factory, flag, type Pair, pair, wholeNumber } from './arguments.js';
import { linearDefault_ } from './init.js';
import { Module } from './module.js';
import { python } from './print.js';

export interface Conv2dOptions extends FactoryOptions {
  /** @default 1 */
  stride?: Pair;
  /** Zeros on each side; `'same'` keeps height and width (stride 1 only), `'valid'` adds none. @default 0 */
  padding?: Pair | 'same' | 'valid';
  /** @default 1 */
  dilation?: Pair;
  /** Groups of channels that do not see each other; divides both numbers of channels. @default 1 */
  groups?: number;
  /** @default true */
  bias?: boolean;
  /** Only zeros so far. @default 'zeros' */
  paddingMode?: 'zeros';
}

/**
 * `torch.nn.Conv2d`: [N, in, H, W] → [N, out, H', W'], or the same without N.
 *
 * State: `weight` [out, in / groups, kernel height, kernel width] and `bias` [out], at first U(−1/√fan-in, 1/√fan-in).
 * @throws ERR_ARGUMENT for sizes that do not go together.
 * @example new nn.Conv2d(3, 16, 3, { stride: 2, padding: 1 }).forward(torch.randn([8, 3, 32, 32])).shape; // [8, 16, 16, 16]
 */
export class Conv2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number] | 'same' | 'valid';
  readonly dilation: readonly [number, number];
  readonly groups: number;
  weight: Parameter;
  bias: Parameter | null;

  constructor(inChannels: number, outChannels: number, kernelSize: Pair, options: Conv2dOptions = {}) {
    super();
    const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true, paddingMode = 'zeros' } = options;
    this.inChannels = wholeNumber(inChannels, 'inChannels');
    this.outChannels = wholeNumber(outChannels, 'outChannels');
    this.kernelSize = pair(kernelSize, 'kernelSize');
    this.stride = pair(stride, 'stride');
    this.padding = padding === 'same' || padding === 'valid' ? padding : pair(padding, 'padding', 0);
    this.dilation = pair(dilation, 'dilation');
    this.groups = wholeNumber(groups, 'groups');
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new IsotorchError(
        'ERR_ARGUMENT',
        `Expected groups that divide inChannels and outChannels but received ${groups} for ${inChannels} and ${outChannels}`,
      );
    }
    if (padding === 'same' && (this.stride[0] !== 1 || this.stride[1] !== 1))
      throw expected("stride 1 where padding is 'same'", 'stride', stride);
    if (paddingMode !== 'zeros')
      throw expected("'zeros', the only padding mode so far: pad the input for another,", 'paddingMode', paddingMode);
    const kind = factory(options);
    this.weight = new Parameter(torch.empty([outChannels, inChannels / groups, ...this.kernelSize], kind));
    this.bias = flag(bias, 'bias') ? new Parameter(torch.empty([outChannels], kind)) : null;
    linearDefault_(this.weight, this.bias);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    return typeof padding === 'string'
      ? torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
      : torch.conv2d(input, weight, bias, stride, padding, dilation, groups);
  }

  override extraRepr(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this;
    const differs = (value: readonly [number, number], usual: number) => value.some((size) => size !== usual);
    return [
      `${inChannels}, ${outChannels}, kernel_size=${python(kernelSize)}, stride=${python(stride)}`,
      ...(typeof padding === 'string' || differs(padding, 0) ? [`padding=${python(padding)}`] : []),
      ...(differs(dilation, 1) ? [`dilation=${python(dilation)}`] : []),
      ...(groups === 1 ? [] : [`groups=${groups}`]),
      ...(bias === null ? ['bias=False'] : []),
    ].join(', ');
  }

  override brief(): string {
    return `${this.constructor.name} ${this.inChannels} → ${this.outChannels}`;
  }
}
