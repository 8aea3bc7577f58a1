// Pixels out of JavaScript arrays: flat bytes with a shape, or nested arrays whose nesting is the shape.
import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';

/** [N][height][width] or [N][channels][height][width] of integers from 0 to 255. */
export type NestedImages = readonly (readonly (readonly (number | readonly number[])[])[])[];

export interface FlatImages {
  readonly pixels: Uint8Array;
  readonly shape: readonly [number, number, number, number];
}

/**
 * Flat pixels and their shape [N, channels, height, width]; a missing channel dimension becomes 1.
 * @throws ERR_SHAPE for ragged arrays or a shape that doesn't fit; ERR_DATA for a value that is no pixel
 */
export function flattenImages(
  images: Uint8Array | NestedImages,
  shape: readonly number[] | undefined,
  name: string,
): FlatImages {
  if (types.isUint8Array(images)) {
    if (shape === undefined) throw expected('[N, channels, height, width] with flat pixels', `${name}: shape`, shape);
    return withShape(images, shape, name);
  }
  if (!Array.isArray(images)) throw expected('a Uint8Array or nested arrays of pixels', `${name}: images`, images);
  const sizes: number[] = [];
  for (let level: unknown = images; Array.isArray(level); level = level[0]) sizes.push(level.length);
  if (shape && shape.join() !== sizes.join()) throw misfit(name, shape, `nested arrays of [${sizes.join(', ')}]`);
  const pixels = new Uint8Array(sizes.reduce((product, size) => product * size, 1));
  let filled = 0;
  const visit = (value: unknown, depth: number, path: string): void => {
    if (depth < sizes.length) {
      if (!Array.isArray(value) || value.length !== sizes[depth]) {
        throw new IsotorchError(
          'ERR_SHAPE',
          `${name}: expected an array of ${sizes[depth]} at images${path}, as at the first image; the arrays are ragged`,
        );
      }
      for (const [i, inner] of value.entries()) visit(inner, depth + 1, `${path}[${i}]`);
    } else {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 255) {
        throw new IsotorchError(
          'ERR_DATA',
          `${name}: expected pixels that are integers from 0 to 255, received ${String(value)} at images${path}`,
        );
      }
      pixels[filled++] = value;
    }
  };
  visit(images, 0, '');
  return withShape(pixels, sizes, name);
}

function withShape(pixels: Uint8Array, shape: readonly number[], name: string): FlatImages {
  const whole = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  const [n, ...rest] = shape;
  const [channels, height, width] = rest.length === 2 ? [1, ...rest] : rest;
  const fits = whole && rest.length >= 2 && rest.length <= 3 && pixels.length === n! * channels! * height! * width!;
  if (!fits) throw misfit(name, shape, `${pixels.length} pixels`);
  return { pixels, shape: [n!, channels!, height!, width!] };
}

const misfit = (name: string, shape: readonly number[], received: string): IsotorchError =>
  new IsotorchError(
    'ERR_SHAPE',
    `${name}: expected images of shape [N, channels, height, width] or [N, height, width] to match shape [${shape.join(', ')}], received ${received}`,
  );
