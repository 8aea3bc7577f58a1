// Maximum over windows.

import type { Tensor } from '../tensor/index.js';
import { flag, type Pair, pair } from './arguments.js';
import { Module } from './module.js';
import { settings } from './print.js';

export interface MaxPool2dOptions {
  /** @default the kernel's size */
  stride?: Pair;
  /** At most half of the kernel. @default 0 */
  padding?: Pair;
  /** @default 1 */
  dilation?: Pair;
  /** Whether windows that stick out at the far end count. @default false */
  ceilMode?: boolean;
}

/**
 * `torch.nn.MaxPool2d`: [N, C, H, W] → [N, C, H', W'].
 * @example new nn.MaxPool2d(2).forward(torch.randn([8, 16, 28, 28])).shape; // [8, 16, 14, 14]
 */
export class MaxPool2d extends Module {
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly ceilMode: boolean;

  constructor(
    kernelSize: Pair,
    { stride = kernelSize, padding = 0, dilation = 1, ceilMode = false }: MaxPool2dOptions = {},
  ) {
    super();
    pair(kernelSize, 'kernelSize');
    pair(stride, 'stride');
    pair(padding, 'padding', 0);
    pair(dilation, 'dilation');
    this.kernelSize = kernelSize;
    this.stride = stride;
    this.padding = padding;
    this.dilation = dilation;
    this.ceilMode = flag(ceilMode, 'ceilMode');
  }

  override forward(input: Tensor): Tensor {
    return input.maxPool2d(this.kernelSize, this.stride, this.padding, this.dilation, this.ceilMode);
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return settings({ kernel_size: kernelSize, stride, padding, dilation, ceil_mode: ceilMode });
  }
}
