// Convolutions along 1 to 3 directions.

import { expected } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { FactoryOptions } from '../arguments.js';
import { choice, type Field, flag, made, read, sizes, whole } from '../fields.js';
import type { Each, Rank, Size } from '../sizes.js';
import { Convolution, type PaddingMode } from './convolution.js';

export interface ConvOptions<R extends Rank> extends FactoryOptions {
  /** @default 1 */
  stride?: Size<R>;
  /** Elements added on each side; `'same'` keeps the input's size (stride 1 only), `'valid'` adds none. @default 0 */
  padding?: Size<R> | 'same' | 'valid';
  /** @default 1 */
  dilation?: Size<R>;
  /** Groups of channels that do not see each other; divides both numbers of channels. @default 1 */
  groups?: number;
  /** @default true */
  bias?: boolean;
  /** What the padding is filled with. @default 'zeros' */
  paddingMode?: PaddingMode;
}

export type Conv2dOptions = ConvOptions<2>;

type Padding<R extends Rank> = Each<R, number> | 'same' | 'valid';

function padding<R extends Rank>(rank: R): Field<Padding<R>> {
  const numbers = sizes(rank, 0, 0);
  return {
    ...(numbers as Field<Padding<R>>),
    check: (value, name) => (value === 'same' || value === 'valid' ? value : numbers.check(value, name)),
  };
}

const fields = <R extends Rank>(rank: R) => ({
  inChannels: whole(),
  outChannels: whole(),
  kernelSize: sizes(rank),
  stride: sizes(rank, 1),
  padding: padding(rank),
  dilation: sizes(rank, 1),
  groups: whole(1),
  bias: flag(true),
  paddingMode: choice<PaddingMode>('zeros', 'reflect', 'replicate', 'circular'),
  ...made,
});

type Arguments<R extends Rank> =
  | [inChannels: number, outChannels: number, kernelSize: Size<R>, options?: ConvOptions<R>]
  | [inChannels: number, outChannels: number, kernelSize: Size<R>, stride: Size<R>, options?: ConvOptions<R>]
  | [
      inChannels: number,
      outChannels: number,
      kernelSize: Size<R>,
      stride: Size<R>,
      padding: Size<R> | 'same' | 'valid',
      options?: ConvOptions<R>,
    ];

const operators = { 1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d };

abstract class Conv<R extends Rank> extends Convolution<R> {
  constructor(owner: string, of: ReturnType<typeof fields<R>>, args: readonly unknown[]) {
    super(read(owner, of, args), false);
    if (this.padding === 'same' && this.stride.some((step) => step !== 1))
      throw expected("stride 1 where padding is 'same'", 'stride', this.stride);
  }

  override forward(input: Tensor): Tensor {
    const { weight, bias, stride, padding, dilation, groups, paddingMode } = this;
    const convolve = operators[this.kernelSize.length as Rank];
    if (paddingMode !== 'zeros')
      return convolve(input.pad(this.border(), paddingMode), weight, bias, stride, 0, dilation, groups);
    return typeof padding === 'string'
      ? convolve(input, weight, bias, stride, padding, dilation, groups)
      : convolve(input, weight, bias, stride, padding, dilation, groups);
  }

  /** The padding as `pad` takes it, from the last direction on; of `'same'`, the odd element comes at the far end. */
  protected border(): number[] {
    const { padding, kernelSize, dilation } = this;
    const ends = kernelSize.map((size, i) => {
      if (padding === 'valid') return [0, 0];
      if (padding !== 'same') return [padding[i] as number, padding[i] as number];
      const total = (dilation[i] as number) * (size - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
    return ends.reverse().flat();
  }
}

/** [N, in, L] → [N, out, L'], or the same without N (`torch.nn.Conv1d`). State and errors as Conv2d's. */
export class Conv1d extends Conv<1> {
  /** @internal */
  static readonly fields = fields(1);
  constructor(...args: Arguments<1>) {
    super(new.target.name, Conv1d.fields, args);
  }
}

/**
 * `torch.nn.Conv2d`: [N, in, H, W] → [N, out, H', W'], or the same without N.
 *
 * State: `weight` [out, in / groups, kernel height, kernel width] and `bias` [out], at first U(−1/√fan-in, 1/√fan-in).
 * @throws ERR_ARGUMENT for sizes that do not go together.
 * @example new nn.Conv2d(3, 16, 3, { stride: 2, padding: 1 }).forward(torch.randn([8, 3, 32, 32])).shape; // [8, 16, 16, 16]
 */
export class Conv2d extends Conv<2> {
  /** @internal */
  static readonly fields = fields(2);
  constructor(...args: Arguments<2>) {
    super(new.target.name, Conv2d.fields, args);
  }
}

/** [N, in, D, H, W] → [N, out, D', H', W'], or the same without N (`torch.nn.Conv3d`). State and errors as Conv2d's. */
export class Conv3d extends Conv<3> {
  /** @internal */
  static readonly fields = fields(3);
  constructor(...args: Arguments<3>) {
    super(new.target.name, Conv3d.fields, args);
  }
}
