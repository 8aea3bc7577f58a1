// Pooling layers that give means and norms, a row each.

import { adaptiveSize, flag, hidden, number, orNull, size, sizes, whole } from '../fields.js';
import * as F from '../functional/pooling.js';
import { layer } from '../layer.js';
import type { AdaptiveSize, Rank, Size } from '../sizes.js';

/** As PyTorch's: the first ones by position, or all but the kernel's size by name. */
export type WindowArguments<R extends Rank, Options> =
  | [kernelSize: Size<R>, options?: Options]
  | [kernelSize: Size<R>, stride: Size<R> | null, options?: Options]
  | [kernelSize: Size<R>, stride: Size<R> | null, padding: Size<R>, options?: Options];

/** The stride that windows have where none is given: they lie side by side. */
export const sideBySide = <R extends Rank>(before: Readonly<Record<string, unknown>>): Size<R> =>
  before.kernelSize as Size<R>;

// ---- means over windows

export interface AvgPoolOptions<R extends Rank> {
  /** @default the kernel's size */
  stride?: Size<R> | null;
  /** At most half of the kernel. @default 0 */
  padding?: Size<R>;
  /** Whether windows that stick out at the far end count. @default false */
  ceilMode?: boolean;
  /** Whether the padding's zeros count in the mean. @default true */
  countIncludePad?: boolean;
}

export interface AvgPool2dOptions extends AvgPoolOptions<2> {
  /** Divides by this instead of the window's size. @default null */
  divisorOverride?: number | null;
}

export interface AvgPool3dOptions extends AvgPoolOptions<3> {
  /** Divides by this instead of the window's size. @default null */
  divisorOverride?: number | null;
}

/** Mean over windows, [N, C, L] → [N, C, L'] (`torch.nn.AvgPool1d`). */
export class AvgPool1d extends layer<WindowArguments<1, AvgPoolOptions<1>>>()(
  {
    kernelSize: sizes(1),
    stride: sizes(1, sideBySide<1>),
    padding: sizes(1, 0, 0),
    ceilMode: hidden(flag(false)),
    countIncludePad: hidden(flag(true)),
  },
  (x, { kernelSize, stride, padding, ceilMode, countIncludePad }) =>
    F.avgPool1d(x, kernelSize, stride, padding, ceilMode, countIncludePad),
) {}

const averages = <R extends 2 | 3>(rank: R) => ({
  kernelSize: size(rank),
  stride: size(rank, sideBySide<R>),
  padding: size(rank, 0, 0),
  ceilMode: hidden(flag(false)),
  countIncludePad: hidden(flag(true)),
  divisorOverride: hidden(orNull(whole())),
});

/**
 * Mean over windows, [N, C, H, W] → [N, C, H', W'] (`torch.nn.AvgPool2d`).
 * @example new nn.AvgPool2d(7).forward(torch.randn([8, 64, 7, 7])).shape; // [8, 64, 1, 1]
 */
export class AvgPool2d extends layer<WindowArguments<2, AvgPool2dOptions>>()(
  averages(2),
  (x, { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride }) =>
    F.avgPool2d(x, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride),
) {}

/** Mean over windows, [N, C, D, H, W] → [N, C, D', H', W'] (`torch.nn.AvgPool3d`). */
export class AvgPool3d extends layer<WindowArguments<3, AvgPool3dOptions>>()(
  averages(3),
  (x, { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride }) =>
    F.avgPool3d(x, kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride),
) {}

// ---- means over as many windows as the output needs

/** [N, C, L] → [N, C, L'] (`torch.nn.AdaptiveAvgPool1d`). @param outputSize null keeps the input's size */
export class AdaptiveAvgPool1d extends layer<[outputSize: AdaptiveSize<1>]>()(
  { outputSize: adaptiveSize(1) },
  (x, { outputSize }) => F.adaptiveAvgPool1d(x, outputSize),
) {}

/**
 * [N, C, H, W] → [N, C, H', W'] (`torch.nn.AdaptiveAvgPool2d`).
 * @param outputSize H' and W', or one number for both; null keeps the input's.
 * @example new nn.AdaptiveAvgPool2d(1).forward(torch.randn([8, 64, 7, 7])).shape; // [8, 64, 1, 1]
 */
export class AdaptiveAvgPool2d extends layer<[outputSize: AdaptiveSize<2>]>()(
  { outputSize: adaptiveSize(2) },
  (x, { outputSize }) => F.adaptiveAvgPool2d(x, outputSize),
) {}

/** [N, C, D, H, W] → [N, C, D', H', W'] (`torch.nn.AdaptiveAvgPool3d`). */
export class AdaptiveAvgPool3d extends layer<[outputSize: AdaptiveSize<3>]>()(
  { outputSize: adaptiveSize(3) },
  (x, { outputSize }) => F.adaptiveAvgPool3d(x, outputSize),
) {}

// ---- norms of windows

type LPPoolArguments<R extends Rank> =
  | [normType: number, kernelSize: Size<R>, options?: F.LPPoolOptions<R>]
  | [normType: number, kernelSize: Size<R>, stride: Size<R> | null, options?: F.LPPoolOptions<R>];

const norms = <R extends Rank>(rank: R) => ({
  normType: number(),
  kernelSize: size(rank),
  stride: orNull(size(rank)),
  ceilMode: flag(false),
});

/** The p-norm of windows of [N, C, L], p = `normType` (`torch.nn.LPPool1d`). */
export class LPPool1d extends layer<LPPoolArguments<1>>()(norms(1), (x, settings) =>
  F.lpPool1d(x, settings.normType, settings.kernelSize, settings),
) {}

/** The p-norm of windows of [N, C, H, W] (`torch.nn.LPPool2d`). */
export class LPPool2d extends layer<LPPoolArguments<2>>()(norms(2), (x, settings) =>
  F.lpPool2d(x, settings.normType, settings.kernelSize, settings),
) {}

/** The p-norm of windows of [N, C, D, H, W] (`torch.nn.LPPool3d`). */
export class LPPool3d extends layer<LPPoolArguments<3>>()(norms(3), (x, settings) =>
  F.lpPool3d(x, settings.normType, settings.kernelSize, settings),
) {}
