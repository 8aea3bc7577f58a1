// A tensor as a sequence of its rows: `for (const row of x)`, `x.length`; and its sizes as Python asks for them.

import { expected, IsotorchError } from '../../errors.js';
import type { DType } from '../dtype.js';
import { type TensorOptions, tensor } from '../factory.js';
import type { Tensor } from '../tensor.js';
import { membersOfTensor } from './members.js';

function rows(this: Tensor): IterableIterator<Tensor> {
  return this.unbind(0)[Symbol.iterator]();
}

/** `x.size()` is the shape, `x.size(dim)` one size of it. */
export interface Size {
  (): readonly number[];
  (dim: number): number;
}

export const sequence = membersOfTensor({
  /** Number of rows: the first size (`len(x)`). @throws ERR_SHAPE without dimensions */
  get length(): number {
    const [rows] = this.shape;
    if (rows !== undefined) return rows;
    throw new IsotorchError('ERR_SHAPE', 'Expected a tensor with rows for length but received one without dimensions');
  },

  /**
   * Views of the rows, from the first on (`iter(x)`). A tensor without dimensions is not iterable, so that what compares any
   * iterables element by element, as test runners do, ends there.
   */
  get [Symbol.iterator](): () => IterableIterator<Tensor> {
    return (this.isDisposed || this.ndim > 0 ? rows : undefined) as typeof rows;
  },

  size: function (this: Tensor, ...args: unknown[]): readonly number[] | number {
    const { shape } = this;
    if (args.length === 0) return shape;
    const [dim] = args;
    const size = args.length === 1 && Number.isInteger(dim) ? shape.at(dim as number) : undefined;
    if (size === undefined || (dim as number) < -shape.length)
      throw expected(`a dimension of ${shape.length}`, 'dim', args.length === 1 ? dim : args, 'ERR_INDEX');
    return size;
  } as Size,

  /** `numel()` under its older name. */
  nelement(): number {
    return this.numel();
  },
  /** `ndim` as a method. */
  ndimension(): number {
    return this.ndim;
  },
  /** `itemsize` as a method. */
  elementSize(): number {
    return this.itemsize;
  },

  /** `torch.tensor` with this tensor's dtype and device as defaults (`Tensor.new_tensor`). */
  newTensor(data: Parameters<typeof tensor>[0], options: TensorOptions = {}): Tensor {
    return tensor(data, { dtype: this.dtype as DType, device: this.device, ...options });
  },

  /** `toSparse()` under its precise name. */
  toSparseCoo(): Tensor {
    return this.toSparse();
  },
});
