// Mean over windows.

import type { Tensor } from '../tensor/index.js';
import { flag, type Pair, pair, wholeNumber } from './arguments.js';
import { Module } from './module.js';
import { settings } from './print.js';

export interface AvgPool2dOptions {
  /** @default the kernel's size */
  stride?: Pair;
  /** At most half of the kernel. @default 0 */
  padding?: Pair;
  /** Whether windows that stick out at the far end count. @default false */
  ceilMode?: boolean;
  /** Whether the padding's zeros count in the mean. @default true */
  countIncludePad?: boolean;
  /** Divides by this instead of the window's size. @default null */
  divisorOverride?: number | null;
}

/**
 * `torch.nn.AvgPool2d`: [N, C, H, W] → [N, C, H', W'].
 * @example new nn.AvgPool2d(7).forward(torch.randn([8, 64, 7, 7])).shape; // [8, 64, 1, 1]
 */
export class AvgPool2d extends Module {
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly ceilMode: boolean;
  readonly countIncludePad: boolean;
  readonly divisorOverride: number | null;

  constructor(kernelSize: Pair, options: AvgPool2dOptions = {}) {
    super();
    const {
      stride = kernelSize,
      padding = 0,
      ceilMode = false,
      countIncludePad = true,
      divisorOverride = null,
    } = options;
    pair(kernelSize, 'kernelSize');
    pair(stride, 'stride');
    pair(padding, 'padding', 0);
    this.kernelSize = kernelSize;
    this.stride = stride;
    this.padding = padding;
    this.ceilMode = flag(ceilMode, 'ceilMode');
    this.countIncludePad = flag(countIncludePad, 'countIncludePad');
    this.divisorOverride = divisorOverride === null ? null : wholeNumber(divisorOverride, 'divisorOverride');
  }

  override forward(input: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    return input.avgPool2d(kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride);
  }

  override extraRepr(): string {
    return settings({ kernel_size: this.kernelSize, stride: this.stride, padding: this.padding });
  }
}
