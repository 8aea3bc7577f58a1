// Transposed convolutions: a convolution's gradient with respect to its input, as a layer that makes things larger.

import { IsotorchError } from '../../errors.js';
import { type Tensor, torch } from '../../tensor/index.js';
import type { FactoryOptions } from '../arguments.js';
import { choice, flag, made, read, sizes, whole } from '../fields.js';
import type { Each, Rank, Size } from '../sizes.js';
import { Convolution, type PaddingMode, unlessAll } from './convolution.js';

export interface ConvTransposeOptions<R extends Rank> extends FactoryOptions {
  /** @default 1 */
  stride?: Size<R>;
  /** How much of the convolution's padding is taken off on each side. @default 0 */
  padding?: Size<R>;
  /** Elements added at the far end, to tell apart the sizes that a convolution makes equal. @default 0 */
  outputPadding?: Size<R>;
  /** Groups of channels that do not see each other; divides both numbers of channels. @default 1 */
  groups?: number;
  /** @default true */
  bias?: boolean;
  /** @default 1 */
  dilation?: Size<R>;
}

const fields = <R extends Rank>(rank: R) => ({
  inChannels: whole(),
  outChannels: whole(),
  kernelSize: sizes(rank),
  stride: sizes(rank, 1),
  padding: sizes(rank, 0, 0),
  outputPadding: sizes(rank, 0, 0),
  groups: whole(1),
  bias: flag(true),
  dilation: sizes(rank, 1),
  paddingMode: choice<PaddingMode>('zeros'),
  ...made,
});

type Arguments<R extends Rank> =
  | [inChannels: number, outChannels: number, kernelSize: Size<R>, options?: ConvTransposeOptions<R>]
  | [inChannels: number, outChannels: number, kernelSize: Size<R>, stride: Size<R>, options?: ConvTransposeOptions<R>]
  | [
      inChannels: number,
      outChannels: number,
      kernelSize: Size<R>,
      stride: Size<R>,
      padding: Size<R>,
      options?: ConvTransposeOptions<R>,
    ];

const operators = { 1: torch.convTranspose1d, 2: torch.convTranspose2d, 3: torch.convTranspose3d };

type Inputs = [input: Tensor, outputSize?: readonly number[] | null];

abstract class ConvTranspose<R extends Rank> extends Convolution<R, Inputs> {
  declare readonly padding: Each<R, number>;
  readonly outputPadding: Each<R, number>;

  constructor(owner: string, of: ReturnType<typeof fields<R>>, args: readonly unknown[]) {
    const settings = read(owner, of, args);
    super(settings, true);
    this.outputPadding = settings.outputPadding;
  }

  /** @param outputSize instead of `outputPadding`; with or without batch and channels */
  override forward(input: Tensor, outputSize: readonly number[] | null = null): Tensor {
    const { weight, bias, stride, padding, dilation, groups } = this;
    const extra = outputSize === null ? this.outputPadding : this.paddingFor(input, outputSize);
    return operators[this.kernelSize.length as Rank](input, weight, bias, stride, padding, extra, groups, dilation);
  }

  /** The output padding that gives the size. */
  protected paddingFor(input: Tensor, outputSize: readonly number[]): number[] {
    const { kernelSize, stride, padding, dilation } = this;
    const rank = kernelSize.length;
    const { shape } = input;
    const wanted = outputSize.length === shape.length ? outputSize.slice(-rank) : outputSize;
    const least = shape.slice(-rank).map((size, i) => {
      const spread = (dilation[i] as number) * ((kernelSize[i] as number) - 1);
      return (size - 1) * (stride[i] as number) - 2 * (padding[i] as number) + spread + 1;
    });
    const extra = least.map((size, i) => (wanted[i] as number) - size);
    if (wanted.length !== rank || extra.some((more, i) => more < 0 || more >= (stride[i] as number)))
      throw new IsotorchError(
        'ERR_SHAPE',
        `${this.constructor.name}: expected an outputSize from [${least.join(', ')}] to less than a stride more, received [${outputSize.join(', ')}]`,
      );
    return extra;
  }

  protected override reprOfOutput(): string[] {
    return unlessAll(0, 'output_padding', this.outputPadding);
  }
}

/** [N, in, L] → [N, out, L'], or the same without N (`torch.nn.ConvTranspose1d`). State as ConvTranspose2d's. */
export class ConvTranspose1d extends ConvTranspose<1> {
  /** @internal */
  static readonly fields = fields(1);
  constructor(...args: Arguments<1>) {
    super(new.target.name, ConvTranspose1d.fields, args);
  }
}

/**
 * [N, in, H, W] → [N, out, H', W'], H' = (H − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1
 * (`torch.nn.ConvTranspose2d`).
 *
 * State: `weight` [in, out / groups, kernel height, kernel width] and `bias` [out].
 * @example new nn.ConvTranspose2d(16, 3, 2, { stride: 2 }).forward(torch.randn([8, 16, 7, 7])).shape; // [8, 3, 14, 14]
 */
export class ConvTranspose2d extends ConvTranspose<2> {
  /** @internal */
  static readonly fields = fields(2);
  constructor(...args: Arguments<2>) {
    super(new.target.name, ConvTranspose2d.fields, args);
  }
}

/** [N, in, D, H, W] → [N, out, D', H', W'], or the same without N (`torch.nn.ConvTranspose3d`). State as ConvTranspose2d's. */
export class ConvTranspose3d extends ConvTranspose<3> {
  /** @internal */
  static readonly fields = fields(3);
  constructor(...args: Arguments<3>) {
    super(new.target.name, ConvTranspose3d.fields, args);
  }
}
