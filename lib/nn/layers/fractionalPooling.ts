// Max pooling over windows that are drawn at random (Graham 2014).

import { buffer, hidden, orNull, ratios, sizes } from '../fields.js';
import * as F from '../functional/fractionalPooling.js';
import type { Each, Size } from '../sizes.js';
import { type IndicesOption, type PoolOf, pool, returnIndices } from './maxPooling.js';

/** `outputSize` or `outputRatio` must be given. */
export type FractionalMaxPoolOptions<R extends 2 | 3, Indices extends boolean = boolean> = IndicesOption<Indices> & {
  /** The output's size. */
  outputSize?: Size<R> | null;
  /** The output's size as a part of the input's, between 0 and 1. */
  outputRatio?: number | Each<R, number> | null;
};

const fractional = <R extends 2 | 3>(rank: R) => ({
  kernelSize: hidden(sizes(rank)),
  outputSize: hidden(orNull(sizes(rank))),
  outputRatio: hidden(orNull(ratios(rank))),
  returnIndices,
  /** Decides the windows, for tests: [N, C, rank] in [0, 1). */
  _randomSamples: buffer(),
});

type FractionalMaxPoolClass<R extends 2 | 3> = new <Indices extends boolean = false>(
  kernelSize: Size<R>,
  options: FractionalMaxPoolOptions<R, Indices>,
) => PoolOf<Indices, ReturnType<typeof fractional<R>>>;

const options = <S extends { outputSize: unknown; outputRatio: unknown; _randomSamples: unknown }>(settings: S) => ({
  outputSize: settings.outputSize as S['outputSize'],
  outputRatio: settings.outputRatio as S['outputRatio'],
  randomSamples: settings._randomSamples as S['_randomSamples'],
});

/** [N, C, H, W] → [N, C, H', W'], maxima over random windows (`torch.nn.FractionalMaxPool2d`). */
export class FractionalMaxPool2d<Indices extends boolean = false> extends pool<FractionalMaxPoolClass<2>>()(
  fractional(2),
  (x, settings) => F.fractionalMaxPool2d(x, settings.kernelSize, options(settings)),
  (x, settings) => F.fractionalMaxPool2dWithIndices(x, settings.kernelSize, options(settings)),
)<Indices> {}

/** [N, C, D, H, W] → [N, C, D', H', W'], maxima over random windows (`torch.nn.FractionalMaxPool3d`). */
export class FractionalMaxPool3d<Indices extends boolean = false> extends pool<FractionalMaxPoolClass<3>>()(
  fractional(3),
  (x, settings) => F.fractionalMaxPool3d(x, settings.kernelSize, options(settings)),
  (x, settings) => F.fractionalMaxPool3dWithIndices(x, settings.kernelSize, options(settings)),
)<Indices> {}
