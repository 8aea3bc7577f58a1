// Mean over as many windows as the output needs, whatever the input's size.

import { expected } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { Module } from './module.js';
import { settings } from './print.js';

type Size = number | null;

/**
 * `torch.nn.AdaptiveAvgPool2d`: [N, C, H, W] → [N, C, H', W'].
 * @param outputSize H' and W', or one number for both; null keeps the input's.
 * @example new nn.AdaptiveAvgPool2d(1).forward(torch.randn([8, 64, 7, 7])).shape; // [8, 64, 1, 1]
 */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: Size | readonly [Size, Size];

  constructor(outputSize: Size | readonly [Size, Size]) {
    super();
    const both: readonly unknown[] = Array.isArray(outputSize) ? outputSize : [outputSize, outputSize];
    const fits = (size: unknown) => size === null || (Number.isSafeInteger(size) && (size as number) >= 0);
    if (both.length !== 2 || !both.every(fits))
      throw expected('a whole number or null, or two of them as [height, width]', 'outputSize', outputSize);
    this.outputSize = outputSize;
  }

  override forward(input: Tensor): Tensor {
    const { outputSize } = this;
    if (typeof outputSize === 'number') return input.adaptiveAvgPool2d([outputSize, outputSize]);
    const [height, width] = outputSize ?? [null, null];
    const [inputHeight, inputWidth] = input.shape.slice(-2) as [number, number];
    return input.adaptiveAvgPool2d([height ?? inputHeight, width ?? inputWidth]);
  }

  override extraRepr(): string {
    return settings({ output_size: this.outputSize });
  }
}
