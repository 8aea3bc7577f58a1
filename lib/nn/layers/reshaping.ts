// Layers that move elements about without computing, and those that resize, a row each.

import {
  choice,
  flag,
  float,
  hidden,
  integer,
  integers,
  orNull,
  perDirection,
  size,
  unusual,
  whole,
} from '../fields.js';
import * as F from '../functional/vision.js';
import { layer } from '../layer.js';
import type { Size } from '../sizes.js';

/**
 * Joins the dimensions from `startDim` to `endDim`, both included; negative ones count from the end (`torch.nn.Flatten`).
 * @example new nn.Flatten().forward(torch.randn([8, 64, 1, 1])).shape; // [8, 64]
 */
export class Flatten extends layer<[startDim?: number, endDim?: number]>()(
  { startDim: integer(1), endDim: integer(-1) },
  (x, { startDim, endDim }) => x.flatten(startDim, endDim),
) {}

/** Splits the dimension `dim` into several, one of which may be −1 (`torch.nn.Unflatten`). */
export class Unflatten extends layer<[dim: number, unflattenedSize: readonly number[]]>()(
  { dim: integer(), unflattenedSize: integers() },
  (x, { dim, unflattenedSize }) => x.unflatten(dim, unflattenedSize),
) {}

type WindowArguments = [kernelSize: Size<2>, options?: F.WindowOptions];
const windows = { kernelSize: size(2), dilation: size(2, 1), padding: size(2, 0, 0), stride: size(2, 1) };

/** Sliding windows of [N, C, H, W] as columns, [N, C · window, windows] (`torch.nn.Unfold`). */
export class Unfold extends layer<WindowArguments>()(windows, (x, settings) =>
  F.unfold(x, settings.kernelSize, settings),
) {}

/** The way back, where windows that overlap add up (`torch.nn.Fold`). */
export class Fold extends layer<[outputSize: Size<2>, ...WindowArguments]>()(
  { outputSize: size(2), ...windows },
  (x, settings) => F.fold(x, settings.outputSize, settings.kernelSize, settings),
) {}

/** [*, C·r², H, W] → [*, C, H·r, W·r], r = `upscaleFactor` (`torch.nn.PixelShuffle`). */
export class PixelShuffle extends layer<[upscaleFactor: number]>()({ upscaleFactor: whole() }, (x, { upscaleFactor }) =>
  F.pixelShuffle(x, upscaleFactor),
) {}

/** [*, C, H·r, W·r] → [*, C·r², H, W], r = `downscaleFactor` (`torch.nn.PixelUnshuffle`). */
export class PixelUnshuffle extends layer<[downscaleFactor: number]>()(
  { downscaleFactor: whole() },
  (x, { downscaleFactor }) => F.pixelUnshuffle(x, downscaleFactor),
) {}

/** Channels [groups · n] read as [n · groups] (`torch.nn.ChannelShuffle`). */
export class ChannelShuffle extends layer<[groups: number]>()({ groups: whole() }, (x, { groups }) =>
  F.channelShuffle(x, groups),
) {}

const target = {
  size: unusual(orNull(perDirection(whole()))),
  scaleFactor: unusual(orNull(perDirection(float()))),
};

/**
 * [N, C, …] at another size, by `size` or by `scaleFactor` (`torch.nn.Upsample`).
 * @example new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' })
 */
export class Upsample extends layer<[options: Omit<F.InterpolateOptions, 'antialias'>]>()(
  {
    ...target,
    mode: choice('nearest', 'nearest-exact', 'area', 'linear', 'bilinear', 'trilinear', 'bicubic', 'lanczos'),
    alignCorners: hidden(orNull(flag(false))),
    recomputeScaleFactor: hidden(orNull(flag(false))),
  },
  F.interpolate,
) {}

type TargetArguments = [options: { size?: Size<2> | null; scaleFactor?: Size<2> | null }];

/** `Upsample` of [N, C, H, W] by the nearest pixel (`torch.nn.UpsamplingNearest2d`). */
export class UpsamplingNearest2d extends layer<TargetArguments>()(
  { ...target, mode: choice('nearest') },
  F.interpolate,
) {}

/** `Upsample` of [N, C, H, W] by bilinear interpolation with corners matched (`torch.nn.UpsamplingBilinear2d`). */
export class UpsamplingBilinear2d extends layer<TargetArguments>()(
  { ...target, mode: choice('bilinear'), alignCorners: hidden(flag(true)) },
  F.interpolate,
) {}
