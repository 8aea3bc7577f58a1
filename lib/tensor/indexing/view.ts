// The part of an indexing that is a view: integers, slices, new axes and the ellipsis become `select`, `slice` and `unsqueeze`,
// as in PyTorch's own front; tensors are left over for one `index` or `index_put_` on that view.

import { expected, IsotorchError } from '../../errors.js';
import { type Handle, native } from '../../native.js';
import { operator } from '../dispatch.js';
import { tensor } from '../factory.js';
import { Tensor } from '../tensor.js';
import { type Index, parseSlice, Slice } from './slice.js';

/** The addon's number of an operator's only overload, asked for once. */
function numberOf(name: string): () => number {
  let number: number | undefined;
  return () => (number ??= operator(`aten::${name}`).overloads[0]!.number);
}
const select = numberOf('select');
const sliced = numberOf('slice');
const unsqueeze = numberOf('unsqueeze');

const none: never[] = [];

/** A tensor as far as it is indexed: a view of it, and the tensors that are to index that view. */
export class Indexed {
  /** The tensor's own, or of a view that `release` releases. */
  handle: Handle;
  /** For each dimension of the view the tensor that indexes it, up to the last that one does; empty if none does. */
  tensors: (Tensor | null)[] = none;
  /** The dimension that the next index is for. */
  dim = 0;
  /** Of the tensors those that were made here. */
  made: Tensor[] = none;

  constructor(readonly of: Tensor) {
    this.handle = of.handle;
  }

  /** Ends the view and what was made for it. */
  release(): void {
    if (this.handle !== this.of.handle) native.release(this.handle);
    for (const tensor of this.made) tensor.dispose();
  }

  become(handle: unknown): void {
    if (this.handle !== this.of.handle) native.release(this.handle);
    this.handle = handle as Handle;
  }

  select(index: number | bigint): void {
    this.become(native.call(select(), this.handle, this.dim, index));
  }

  slice({ start, stop, step }: Slice): void {
    this.become(native.call(sliced(), this.handle, this.dim, start, stop, step));
    this.dim++;
  }

  /** A new dimension of size 1 before the next. */
  unsqueeze(): void {
    this.become(native.call(unsqueeze(), this.handle, this.dim));
  }

  /** Leaves the next dimension to a tensor. */
  record(index: Tensor): void {
    if (this.tensors === none) this.tensors = [];
    while (this.tensors.length < this.dim) this.tensors.push(null);
    this.tensors[this.dim++] = index;
  }

  /** The same to one that ends with the view. */
  recordOwn(index: Tensor): void {
    if (this.made === none) this.made = [];
    this.made.push(index);
    this.record(index);
  }

  /** A boolean instead of an index: a new dimension that is there or is empty. */
  flag(value: boolean): void {
    this.unsqueeze();
    this.recordOwn(tensor(value ? [0] : [], { dtype: 'int64', device: this.of.device }));
  }

  take(index: Index, isLast: boolean): void {
    if (index === null) {
      this.unsqueeze();
      this.dim++;
    } else if (typeof index === 'boolean') this.flag(index);
    else if (index instanceof Tensor) this.takeTensor(index, isLast);
    else if (Array.isArray(index)) {
      const areFlags = index.length > 0 && index.flat(64).every((item) => typeof item === 'boolean');
      this.recordOwn(tensor(index as number[], areFlags ? {} : { dtype: 'int64' }));
    } else
      throw expected(
        "an integer, a slice, '...', null, a boolean, a Tensor or an array of integers or booleans",
        'index',
        index,
      );
  }

  takeTensor(index: Tensor, isLast: boolean): void {
    if (index.ndim === 0 && /^(u?int|bool)/.test(index.dtype)) {
      // Without dimensions it is an integer or a flag.
      if (isMask(index)) this.flag(Boolean(index.item()));
      else this.select(index.item());
    } else if (isMask(index) && index.ndim > 1 && !isLast) {
      // What follows is counted from behind all dimensions of the mask.
      checkMask(index, native.shape(this.handle).slice(this.dim, this.dim + index.ndim));
      for (const part of index.nonzero({ asTuple: true })) this.recordOwn(part);
    } else this.record(index);
  }
}

/** @throws ERR_INDEX for more indices than dimensions and for integers outside of one; ERR_ARGUMENT for what is no index. */
export function indexed(x: Tensor, indices: readonly Index[]): Indexed {
  const result = new Indexed(x);
  let unchecked = false;
  try {
    for (let i = 0; i < indices.length; i++) {
      const given = indices[i]!;
      const index = typeof given === 'string' && given !== '...' ? parseSlice(given) : given;
      if (typeof index === 'bigint' || Number.isInteger(index)) result.select(index as number | bigint);
      else if (index === '...') {
        result.dim += x.ndim - specified(indices);
        unchecked = true;
      } else if (!(index instanceof Slice)) result.take(index, i === indices.length - 1);
      else if (index.start !== null || index.stop !== null || index.step !== 1) result.slice(index);
      else {
        result.dim++;
        unchecked = true;
      }
    }
    if (unchecked && specified(indices) > x.ndim)
      throw new IsotorchError('ERR_INDEX', `${specified(indices)} indices for a tensor of ${x.ndim} dimensions`);
  } catch (error) {
    result.release();
    throw error;
  }
  return result;
}

const isMask = ({ dtype }: Tensor): boolean => dtype === 'bool' || dtype === 'uint8';

function checkMask(mask: Tensor, sizes: readonly number[]): void {
  if (sizes.length < mask.ndim || mask.shape.some((size, i) => size !== sizes[i]))
    throw new IsotorchError(
      'ERR_INDEX',
      `Expected a mask of [${sizes.join(', ')}] but received [${mask.shape.join(', ')}]`,
    );
}

/** How many dimensions of the tensor the indices stand for. */
function specified(indices: readonly Index[]): number {
  let count = 0;
  for (const index of indices) {
    if (index === null || index === '...' || typeof index === 'boolean') continue;
    count += index instanceof Tensor && isMask(index) ? index.ndim : 1;
  }
  return count;
}
