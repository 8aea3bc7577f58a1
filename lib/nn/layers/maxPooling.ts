// Max pooling, with the maxima's places on request (`returnIndices`), and the layers that use those to undo it.

import type { Tensor } from '../../tensor/index.js';
import { adaptiveSize, type Fields, flag, hidden, size, type Values } from '../fields.js';
import * as F from '../functional/index.js';
import { type Layer, layer, type Settings } from '../layer.js';
import type { AdaptiveSize, Rank } from '../sizes.js';
import { sideBySide, type WindowArguments } from './pooling.js';

/** What a pool gives: the maxima, or with `returnIndices` the maxima and their places. */
export type Maxima<Indices extends boolean> = Indices extends true ? F.Pooled : Tensor;

export interface IndicesOption<Indices extends boolean> {
  /** Gives [maxima, places]; the places are what the `MaxUnpool` layers take. @default false */
  returnIndices?: Indices;
}

export const returnIndices = hidden(flag(false));

/** The class of a pool: one of two functions, by `returnIndices`. `Class` says of which type, for both. */
export const pool =
  <Class>() =>
  <Of extends Fields & { returnIndices: typeof returnIndices }>(
    fields: Of,
    plain: (input: Tensor, settings: Settings<Of>) => Tensor,
    withIndices: (input: Tensor, settings: Settings<Of>) => F.Pooled,
  ): Class =>
    layer<unknown[], [input: Tensor], Tensor | F.Pooled>()(fields, (input, settings) =>
      settings.returnIndices ? withIndices(input, settings) : plain(input, settings),
    ) as Class;

export type PoolOf<Indices extends boolean, Of extends Fields> = Layer<[input: Tensor], Maxima<Indices>> & Values<Of>;

// ---- windows

/** Options of `MaxPool1d`, `MaxPool2d` and `MaxPool3d`. */
export type MaxPoolOptions<R extends Rank, Indices extends boolean = boolean> = F.MaxPoolOptions<R> &
  IndicesOption<Indices>;
export type MaxPool2dOptions = MaxPoolOptions<2>;

const maxima = <R extends Rank>(rank: R) => ({
  kernelSize: size(rank),
  stride: size(rank, sideBySide<R>),
  padding: size(rank, 0, 0),
  dilation: size(rank, 1),
  returnIndices,
  ceilMode: flag(false),
});

type MaxPoolClass<R extends Rank> = new <Indices extends boolean = false>(
  ...args: WindowArguments<R, MaxPoolOptions<R, Indices>>
) => PoolOf<Indices, ReturnType<typeof maxima<R>>>;

/** Maximum over windows, [N, C, L] → [N, C, L'] (`torch.nn.MaxPool1d`). */
export class MaxPool1d<Indices extends boolean = false> extends pool<MaxPoolClass<1>>()(
  maxima(1),
  (x, settings) => F.maxPool1d(x, settings.kernelSize, settings),
  (x, settings) => F.maxPool1dWithIndices(x, settings.kernelSize, settings),
)<Indices> {}

/**
 * Maximum over windows, [N, C, H, W] → [N, C, H', W'] (`torch.nn.MaxPool2d`).
 * @example new nn.MaxPool2d(2).forward(torch.randn([8, 16, 28, 28])).shape; // [8, 16, 14, 14]
 */
export class MaxPool2d<Indices extends boolean = false> extends pool<MaxPoolClass<2>>()(
  maxima(2),
  (x, settings) => F.maxPool2d(x, settings.kernelSize, settings),
  (x, settings) => F.maxPool2dWithIndices(x, settings.kernelSize, settings),
)<Indices> {}

/** Maximum over windows, [N, C, D, H, W] → [N, C, D', H', W'] (`torch.nn.MaxPool3d`). */
export class MaxPool3d<Indices extends boolean = false> extends pool<MaxPoolClass<3>>()(
  maxima(3),
  (x, settings) => F.maxPool3d(x, settings.kernelSize, settings),
  (x, settings) => F.maxPool3dWithIndices(x, settings.kernelSize, settings),
)<Indices> {}

// ---- as many windows as the output needs

const adaptive = <R extends Rank>(rank: R) => ({ outputSize: adaptiveSize(rank), returnIndices });

type AdaptiveMaxPoolClass<R extends Rank> = new <Indices extends boolean = false>(
  outputSize: AdaptiveSize<R>,
  options?: IndicesOption<Indices>,
) => PoolOf<Indices, ReturnType<typeof adaptive<R>>>;

/** Maximum, [N, C, L] → [N, C, outputSize] (`torch.nn.AdaptiveMaxPool1d`). */
export class AdaptiveMaxPool1d<Indices extends boolean = false> extends pool<AdaptiveMaxPoolClass<1>>()(
  adaptive(1),
  (x, { outputSize }) => F.adaptiveMaxPool1d(x, outputSize),
  (x, { outputSize }) => F.adaptiveMaxPool1dWithIndices(x, outputSize),
)<Indices> {}

/** Maximum, [N, C, H, W] → [N, C, …outputSize]; null keeps the input's size (`torch.nn.AdaptiveMaxPool2d`). */
export class AdaptiveMaxPool2d<Indices extends boolean = false> extends pool<AdaptiveMaxPoolClass<2>>()(
  adaptive(2),
  (x, { outputSize }) => F.adaptiveMaxPool2d(x, outputSize),
  (x, { outputSize }) => F.adaptiveMaxPool2dWithIndices(x, outputSize),
)<Indices> {}

/** Maximum, [N, C, D, H, W] → [N, C, …outputSize] (`torch.nn.AdaptiveMaxPool3d`). */
export class AdaptiveMaxPool3d<Indices extends boolean = false> extends pool<AdaptiveMaxPoolClass<3>>()(
  adaptive(3),
  (x, { outputSize }) => F.adaptiveMaxPool3d(x, outputSize),
  (x, { outputSize }) => F.adaptiveMaxPool3dWithIndices(x, outputSize),
)<Indices> {}
