// Normalisation over batches, instances, layers and groups.

import { IsotorchError } from '../../errors.js';
import { type Tensor, type Torch, torch } from '../../tensor/index.js';

/** Whether cuDNN may serve, as `torch.backends.cudnn.enabled` is by default. */
const CUDNN = true;

export interface AffineOptions {
  /** Scale of each channel or element. @default null */
  weight?: Tensor | null;
  /** Shift of each channel or element. @default null */
  bias?: Tensor | null;
  /** Added to the variance. @default 1e-5 */
  eps?: number;
}

export interface StatisticsOptions extends AffineOptions {
  /** The weight of new statistics in the running ones. @default 0.1 */
  momentum?: number;
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** How many values there are for each channel of [N, C, …]. */
export const valuesAChannel = (shape: readonly number[]): number => product(shape) / (shape[1] as number);

/** @internal One value has no variance: PyTorch refuses it in Python, LibTorch would give zeros. */
export function refuseSingle(name: string, values: number, input: Tensor): void {
  if (values !== 1) return;
  throw new IsotorchError(
    'ERR_SHAPE',
    `${name}: expected more than one value a channel in training mode, received [${input.shape.join(', ')}]. Use a larger batch, or eval()`,
  );
}

/**
 * Each channel of [N, C, …] less its mean, over its standard deviation (Ioffe & Szegedy 2015).
 * @param options.training uses the batch's statistics, and adds them to the running ones where they are given. @default false
 */
export function batchNorm(
  input: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  {
    weight = null,
    bias = null,
    training = false,
    momentum = 0.1,
    eps = 1e-5,
  }: StatisticsOptions & {
    training?: boolean;
  } = {},
): Tensor {
  if (training) refuseSingle('batchNorm', valuesAChannel(input.shape), input);
  return torch.batchNorm(input, weight, bias, runningMean, runningVar, training, momentum, eps, CUDNN);
}

/**
 * Each channel of each sample of [N, C, …] less its mean, over its standard deviation (Ulyanov et al. 2016).
 * @param options.useInputStats or else the running ones. @default true
 */
export function instanceNorm(
  input: Tensor,
  {
    runningMean = null,
    runningVar = null,
    weight = null,
    bias = null,
    useInputStats = true,
    momentum = 0.1,
    eps = 1e-5,
  }: StatisticsOptions & { runningMean?: Tensor | null; runningVar?: Tensor | null; useInputStats?: boolean } = {},
): Tensor {
  if (useInputStats) refuseSingle('instanceNorm', product(input.shape.slice(2)), input);
  return torch.instanceNorm(input, weight, bias, runningMean, runningVar, useInputStats, momentum, eps, CUDNN);
}

/** Each sample less its mean, over its standard deviation, both along the last dimensions (Ba et al. 2016). */
export const layerNorm = (
  input: Tensor,
  normalizedShape: readonly number[],
  { weight = null, bias = null, eps = 1e-5 }: AffineOptions = {},
): Tensor => torch.layerNorm(input, normalizedShape, weight, bias, eps, CUDNN);

/** Each sample over its root mean square along the last dimensions (Zhang & Sennrich 2019). weight null, eps null: the dtype's. */
export const rmsNorm: Torch['rmsNorm'] = torch.rmsNorm;

/** Groups of channels of [N, C, …] less their mean, over their standard deviation (Wu & He 2018). */
export function groupNorm(
  input: Tensor,
  numGroups: number,
  { weight = null, bias = null, eps = 1e-5 }: AffineOptions = {},
): Tensor {
  const { shape } = input;
  const [batch, channels] = shape;
  if (batch === undefined || channels === undefined)
    throw new IsotorchError('ERR_SHAPE', `groupNorm: expected [N, C, …], received [${shape.join(', ')}]`);
  refuseSingle('groupNorm', Math.floor((batch * channels) / numGroups) * product(shape.slice(2)), input);
  return torch.groupNorm(input, numGroups, weight, bias, eps, CUDNN);
}

export interface LocalResponseOptions {
  /** @default 1e-4 */
  alpha?: number;
  /** @default 0.75 */
  beta?: number;
  /** @default 1 */
  k?: number;
}

/** x / (k + α · mean of x² over `size` neighbouring channels)^β, of [N, C, …] (Krizhevsky et al. 2012). */
export function localResponseNorm(
  input: Tensor,
  size: number,
  { alpha = 1e-4, beta = 0.75, k = 1 }: LocalResponseOptions = {},
): Tensor {
  const { shape } = input;
  if (shape.length < 3)
    throw new IsotorchError('ERR_SHAPE', `localResponseNorm: expected [N, C, …], received [${shape.join(', ')}]`);
  if (input.numel() === 0) return input;
  const [batch, channels] = shape as [number, number];
  const squares = input.mul(input).reshape([batch, 1, channels, -1]);
  const padded = squares.pad([0, 0, Math.floor(size / 2), Math.floor((size - 1) / 2)]);
  const means = padded.avgPool2d([size, 1], 1).squeeze(1).reshape(shape);
  return input.div(means.mul(alpha).add(k).pow(beta));
}
