// Functions over several tensors' shapes: `broadcastTensors`, `broadcastShapes`, `meshgrid`, `atleast1d` to `3d`,
// `unravelIndex`.

import { expected, IsotorchError } from '../../errors.js';
import { operator } from '../dispatch.js';
import { Tensor } from '../tensor.js';
import { named, tensorsFirst } from './named.js';
import type { AnyTensors } from './products.js';

/** Views of the tensors in their common shape (`torch.broadcast_tensors`). */
export function broadcastTensors(...tensors: AnyTensors): Tensor[] {
  const { tensors: given, rest } = tensorsFirst(tensors);
  return operator('aten::broadcast_tensors').call([given, ...rest]) as Tensor[];
}

/**
 * The shape that tensors of these shapes have together (`torch.broadcast_shapes`).
 * @throws ERR_SHAPE if two sizes of a dimension differ and neither is 1.
 */
export function broadcastShapes(...shapes: (number | readonly number[])[]): number[] {
  const all = shapes.map((shape) => (typeof shape === 'number' ? [shape] : shape));
  for (const shape of all) {
    if (!Array.isArray(shape) || !shape.every((size) => Number.isInteger(size) && size >= 0))
      throw expected('sizes of at least 0', 'shape', shape);
  }
  const result = new Array<number>(Math.max(0, ...all.map(({ length }) => length))).fill(1);
  for (const shape of all) {
    const first = result.length - shape.length;
    for (const [i, size] of shape.entries()) {
      const known = result[first + i]!;
      if (size !== 1 && known !== 1 && size !== known)
        throw new IsotorchError(
          'ERR_SHAPE',
          `The shapes ${all.map((s) => `[${s.join(', ')}]`).join(', ')} don't broadcast`,
        );
      if (size !== 1) result[first + i] = size;
    }
  }
  return result;
}

/**
 * Grids of coordinates from one-dimensional tensors (`torch.meshgrid`).
 * @param args the tensors; `indexing`: `'ij'` (default) counts rows first, `'xy'` columns.
 */
export function meshgrid(
  ...args:
    | AnyTensors
    | [...tensors: Tensor[], options: { indexing?: 'ij' | 'xy' | null }]
    | [tensors: readonly Tensor[], options: { indexing?: 'ij' | 'xy' | null }]
): Tensor[] {
  const { tensors, rest } = tensorsFirst(args);
  const { indexing } = named('meshgrid', ['indexing'], rest);
  return operator('aten::meshgrid').call([tensors, { indexing: indexing ?? 'ij' }]) as Tensor[];
}

/** One tensor for one, an array for several. */
export interface AtLeast {
  (tensor: Tensor): Tensor;
  (...tensors: AnyTensors): Tensor[];
}
const atLeast = (name: string): AtLeast =>
  ((...args: unknown[]) => operator(`aten::${name}`).call([args.length === 1 ? args[0] : args])) as AtLeast;

/** Views with at least one dimension (`torch.atleast_1d`). */
export const atleast1d = atLeast('atleast_1d');
/** Views with at least two dimensions (`torch.atleast_2d`). */
export const atleast2d = atLeast('atleast_2d');
/** Views with at least three dimensions (`torch.atleast_3d`). */
export const atleast3d = atLeast('atleast_3d');

/**
 * The coordinates, one tensor a dimension, of flat indices into a tensor of this shape (`torch.unravel_index`).
 * @throws ERR_DTYPE for indices that are no integers.
 */
export function unravelIndex(indices: Tensor, shape: number | readonly number[]): Tensor[] {
  if (!(indices instanceof Tensor)) throw expected('a Tensor', 'indices', indices);
  if (!/^u?int/.test(indices.dtype)) throw expected('a dtype of integers', 'indices', indices.dtype, 'ERR_DTYPE');
  const sizes = typeof shape === 'number' ? [shape] : shape;
  if (!Array.isArray(sizes) || !sizes.every((size) => Number.isInteger(size) && size >= 0))
    throw expected('sizes of at least 0', 'shape', shape);
  let step = 1;
  const results: Tensor[] = [];
  for (const size of sizes.toReversed()) {
    const quotient = indices.floorDivide(step);
    results.unshift(quotient.remainder(size).to('int64'));
    quotient.dispose();
    step *= size;
  }
  return results;
}
