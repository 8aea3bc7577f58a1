// Images and volumes: other sizes, other grids, windows as columns, and channels that change places with pixels.

import { expected, IsotorchError } from '../../errors.js';
import { type Tensor, type Torch, torch } from '../../tensor/index.js';
import type { Size } from '../sizes.js';

/** [*, C·r², H, W] → [*, C, H·r, W·r] (Shi et al. 2016). */
export const pixelShuffle: Torch['pixelShuffle'] = torch.pixelShuffle;
/** [*, C, H·r, W·r] → [*, C·r², H, W]. */
export const pixelUnshuffle: Torch['pixelUnshuffle'] = torch.pixelUnshuffle;
/** Channels [g·n] read as [n·g] (Zhang et al. 2018). */
export const channelShuffle: Torch['channelShuffle'] = torch.channelShuffle;
/** The same by its kernel. */
export const nativeChannelShuffle: Torch['nativeChannelShuffle'] = torch.nativeChannelShuffle;
/** Adds `pad` = [left, right, top, bottom, …], from the last dimension on. mode 'constant', 'reflect', 'replicate' or 'circular'; value 0. */
export const pad: Torch['pad'] = torch.pad;

export interface WindowOptions {
  /** @default 1 */
  dilation?: Size<2>;
  /** @default 0 */
  padding?: Size<2>;
  /** @default 1 */
  stride?: Size<2>;
}

/** Sliding windows of [N, C, H, W] as columns: [N, C · window, windows]. */
export const unfold = (
  input: Tensor,
  kernelSize: Size<2>,
  { dilation = 1, padding = 0, stride = 1 }: WindowOptions = {},
): Tensor => input.im2col(kernelSize, dilation, padding, stride);

/** The way back, where windows that overlap add up: [N, C · window, windows] → [N, C, …outputSize]. */
export const fold = (
  input: Tensor,
  outputSize: Size<2>,
  kernelSize: Size<2>,
  { dilation = 1, padding = 0, stride = 1 }: WindowOptions = {},
): Tensor => {
  const both = typeof outputSize === 'number' ? [outputSize, outputSize] : outputSize;
  return input.col2im(both, kernelSize, dilation, padding, stride);
};

export type InterpolationMode =
  | 'nearest'
  | 'nearest-exact'
  | 'area'
  | 'linear'
  | 'bilinear'
  | 'trilinear'
  | 'bicubic'
  | 'lanczos';

export interface InterpolateOptions {
  /** The output's size, for all directions or for each; this or `scaleFactor`. */
  size?: number | readonly number[] | null;
  scaleFactor?: number | readonly number[] | null;
  /** @default 'nearest' */
  mode?: InterpolationMode;
  /** Whether the corners' centres are matched, not their edges; for the linear and cubic modes. @default null, false */
  alignCorners?: boolean | null;
  /** Whether the scale is that of the rounded output, not `scaleFactor` itself. @default null, false */
  recomputeScaleFactor?: boolean | null;
  /** Smooths before scaling down; for `'bilinear'`, `'bicubic'` and `'lanczos'`. @default false */
  antialias?: boolean;
}

type Resize = (x: Tensor, size: number[] | null, scales: number[] | null, align: boolean) => Tensor;

/** By mode and directions. Where LibTorch has two forms of one operator, the given size or scales decide. */
const resizers: Readonly<Record<string, Resize>> = {
  'nearest 1': (x, size, scales) => torch.upsampleNearest1d(x, size, scales),
  'nearest 2': (x, size, scales) => torch.upsampleNearest2d(x, size, scales),
  'nearest 3': (x, size, scales) => torch.upsampleNearest3d(x, size, scales),
  'nearest-exact 1': (x, size, scales) => torch._upsampleNearestExact1d(x, size, scales),
  'nearest-exact 2': (x, size, scales) => torch._upsampleNearestExact2d(x, size, scales),
  'nearest-exact 3': (x, size, scales) => torch._upsampleNearestExact3d(x, size, scales),
  'area 1': (x, size) => torch.adaptiveAvgPool1d(x, size as number[]),
  'area 2': (x, size) => torch.adaptiveAvgPool2d(x, size as number[]),
  'area 3': (x, size) => torch.adaptiveAvgPool3d(x, size as number[]),
  'linear 1': (x, size, scales, align) => torch.upsampleLinear1d(x, size, align, scales),
  'bilinear 2': (x, size, scales, align) => torch.upsampleBilinear2d(x, size, align, scales),
  'trilinear 3': (x, size, scales, align) => torch.upsampleTrilinear3d(x, size, align, scales),
  'bicubic 2': (x, size, scales, align) => torch.upsampleBicubic2d(x, size, align, scales),
  'bilinear 2 antialias': (x, size, scales, align) => torch._upsampleBilinear2dAa(x, size, align, scales),
  'bicubic 2 antialias': (x, size, scales, align) => torch._upsampleBicubic2dAa(x, size, align, scales),
  'lanczos 2 antialias': (x, size, scales, align) => torch._upsampleLanczos2dAa(x, size, align, scales),
};

/**
 * [N, C, …] at another size: 1 to 3 directions, by the mode.
 * @throws ERR_ARGUMENT for options that do not go together, or a mode that does not fit the input.
 * @example interpolate(images, { scaleFactor: 2, mode: 'bilinear' });
 */
export function interpolate(input: Tensor, options: InterpolateOptions): Tensor {
  const { size = null, scaleFactor = null, mode = 'nearest', alignCorners = null, antialias = false } = options;
  const directions = input.ndim - 2;
  const each = (value: number | readonly number[], name: string): number[] => {
    const values = typeof value === 'number' ? Array<number>(Math.max(directions, 0)).fill(value) : [...value];
    if (values.length !== directions) throw expected(`${directions} numbers, or one for all,`, name, value);
    return values;
  };
  if ((size === null) === (scaleFactor === null))
    throw expected('either size or scaleFactor', 'the output', size === null ? null : 'both');
  const resize = resizers[`${mode} ${directions}${antialias ? ' antialias' : ''}`];
  if (resize === undefined)
    throw new IsotorchError(
      'ERR_ARGUMENT',
      `interpolate: there is no mode '${mode}'${antialias ? ' with antialias' : ''} for an input of ${input.ndim} dimensions; ` +
        `there are ${Object.keys(resizers).join(', ')} (directions)`,
    );
  const linear = !['nearest', 'nearest-exact', 'area'].includes(mode);
  if (alignCorners !== null && !linear) throw expected(`null for mode '${mode}'`, 'alignCorners', alignCorners);
  if (alignCorners && mode === 'lanczos') throw expected("false for mode 'lanczos'", 'alignCorners', alignCorners);
  if (size !== null && options.recomputeScaleFactor)
    throw expected('false where the size is given', 'recomputeScaleFactor', true);
  const align = alignCorners ?? false;
  if (size !== null) return resize(input, each(size, 'size'), null, align);
  const scales = each(scaleFactor as number | readonly number[], 'scaleFactor');
  if (!options.recomputeScaleFactor && mode !== 'area') return resize(input, null, scales, align);
  const own = input.shape.slice(2);
  return resize(
    input,
    scales.map((scale, i) => Math.floor((own[i] as number) * scale)),
    null,
    align,
  );
}

/** `interpolate`, as it was called before. */
export const upsample = interpolate;

/** `interpolate` with mode `'nearest'`. */
export const upsampleNearest = (input: Tensor, options: Pick<InterpolateOptions, 'size' | 'scaleFactor'>): Tensor =>
  interpolate(input, { ...options, mode: 'nearest' });

/** `interpolate` with mode `'bilinear'` and corners matched. */
export const upsampleBilinear = (input: Tensor, options: Pick<InterpolateOptions, 'size' | 'scaleFactor'>): Tensor =>
  interpolate(input, { ...options, mode: 'bilinear', alignCorners: true });

const gridModes = { bilinear: 0, nearest: 1, bicubic: 2 } as const;
const gridPaddings = { zeros: 0, border: 1, reflection: 2 } as const;

function code<N extends string>(codes: Readonly<Record<N, number>>, name: string, value: N): number {
  if (!Object.hasOwn(codes, value)) throw expected(`one of ${Object.keys(codes).join(', ')}`, name, value);
  return codes[value];
}

export interface GridSampleOptions {
  /** @default 'bilinear' */
  mode?: keyof typeof gridModes;
  /** What lies outside of the input. @default 'zeros' */
  paddingMode?: keyof typeof gridPaddings;
  /** @default false */
  alignCorners?: boolean;
}

/** The values of [N, C, H, W] (or [N, C, D, H, W]) at the places of `grid` [N, H', W', 2] (3), from −1 to 1. */
export const gridSample = (
  input: Tensor,
  grid: Tensor,
  { mode = 'bilinear', paddingMode = 'zeros', alignCorners = false }: GridSampleOptions = {},
): Tensor =>
  torch.gridSampler(
    input,
    grid,
    code(gridModes, 'mode', mode),
    code(gridPaddings, 'paddingMode', paddingMode),
    alignCorners,
  );

/** The grid of an affine map: `theta` [N, 2, 3] for a size [N, C, H, W], [N, 3, 4] for [N, C, D, H, W]. */
export function affineGrid(
  theta: Tensor,
  size: readonly number[],
  { alignCorners = false }: { alignCorners?: boolean } = {},
): Tensor {
  const rank = size.length - 2;
  const [, rows, columns] = theta.shape;
  if ((rank !== 2 && rank !== 3) || theta.ndim !== 3 || rows !== rank || columns !== rank + 1)
    throw new IsotorchError(
      'ERR_SHAPE',
      `affineGrid: expected theta [N, 2, 3] for a size of 4 numbers or [N, 3, 4] for 5, received [${theta.shape.join(', ')}] for ${size.length}`,
    );
  if (!size.every((value) => value > 0)) throw expected('sizes above 0', 'size', size);
  return torch.affineGridGenerator(theta, size, alignCorners);
}
