// The part of an indexing that is a view: integers, slices, new axes and the ellipsis become `select`, `slice` and `unsqueeze`,
// as in PyTorch's own front; tensors are left over for one `index` or `index_put_` on that view.

import { expected, IsotorchError } from '../../errors.js';
import { type Handle, native } from '../../native.js';
import { describeArgument, operator } from '../dispatch.js';
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

/** Views of a tensor, one of the last; whatever was made on the way is released. */
class View {
  handle: Handle;
  /** The dimension that the next index is for. */
  dim = 0;

  constructor(readonly of: Tensor) {
    this.handle = of.handle;
  }

  #become(handle: unknown): void {
    this.release();
    this.handle = handle as Handle;
  }

  /** `handle` unless it is the tensor's own. */
  release(): void {
    if (this.handle !== this.of.handle) native.release(this.handle);
  }

  select(index: number | bigint): void {
    this.#become(native.call(select(), this.handle, this.dim, index));
  }

  slice({ start, stop, step }: Slice): void {
    this.#become(native.call(sliced(), this.handle, this.dim, start, stop, step));
    this.dim++;
  }

  /** A new dimension of size 1 before the next. */
  unsqueeze(): void {
    this.#become(native.call(unsqueeze(), this.handle, this.dim));
  }
}

export interface Indexed {
  /** A view that the caller releases, unless it is the tensor's own handle. */
  handle: Handle;
  /** For each dimension of the view the tensor that indexes it, up to the last that one does; empty if none does. */
  tensors: (Tensor | null)[];
  /** Of these the ones that were made here, for the caller to dispose of. */
  made: Tensor[];
}

/** @throws ERR_INDEX for more indices than dimensions and for integers outside of one; ERR_ARGUMENT for what is no index. */
export function viewOf(x: Tensor, indices: readonly Index[]): Indexed {
  const view = new View(x);
  const tensors: (Tensor | null)[] = [];
  const made: Tensor[] = [];
  let unchecked = false;
  const record = (index: Tensor): void => {
    while (tensors.length < view.dim) tensors.push(null);
    tensors[view.dim++] = index;
  };
  const own = (index: Tensor): Tensor => {
    made.push(index);
    return index;
  };
  /** A boolean instead of an index: a new dimension that is there or is empty. */
  const flag = (value: boolean): void => {
    view.unsqueeze();
    record(own(tensor(value ? [0] : [], { dtype: 'int64', device: x.device })));
  };

  try {
    for (const given of indices) {
      const index = typeof given === 'string' && given !== '...' ? parseSlice(given) : given;
      if (typeof index === 'bigint' || Number.isInteger(index)) {
        view.select(index as number | bigint);
      } else if (index instanceof Slice) {
        if (index.start === null && index.stop === null && index.step === 1) {
          view.dim++;
          unchecked = true;
        } else view.slice(index);
      } else if (index === '...') {
        view.dim += x.ndim - specified(indices);
        unchecked = true;
      } else if (index === null) {
        view.unsqueeze();
        view.dim++;
      } else if (typeof index === 'boolean') {
        flag(index);
      } else if (index instanceof Tensor) {
        // Without dimensions it is an integer or a flag.
        if (isMask(index) && index.ndim > 1 && given !== indices.at(-1)) {
          // What follows is counted from behind all dimensions of the mask.
          checkMask(index, native.shape(view.handle).slice(view.dim, view.dim + index.ndim));
          for (const part of index.nonzero({ asTuple: true })) record(own(part));
        } else if (index.ndim > 0 || !/^(u?int|bool)/.test(index.dtype)) record(index);
        else if (isMask(index)) flag(Boolean(index.item()));
        else view.select(index.item());
      } else if (Array.isArray(index)) {
        record(
          own(tensor(index as number[], index.flat(64).every(isFlag) && index.length > 0 ? {} : { dtype: 'int64' })),
        );
      } else {
        throw expected(
          "an integer, a slice, '...', null, a boolean, a Tensor or an array of integers or booleans",
          'index',
          describeArgument(index),
        );
      }
    }
    if (unchecked && specified(indices) > x.ndim)
      throw new IsotorchError('ERR_INDEX', `${specified(indices)} indices for a tensor of ${x.ndim} dimensions`);
  } catch (error) {
    view.release();
    for (const index of made) index.dispose();
    throw error;
  }
  return { handle: view.handle, tensors, made };
}

const isMask = ({ dtype }: Tensor): boolean => dtype === 'bool' || dtype === 'uint8';

function checkMask(mask: Tensor, sizes: readonly number[]): void {
  if (sizes.length < mask.ndim || mask.shape.some((size, i) => size !== sizes[i]))
    throw new IsotorchError(
      'ERR_INDEX',
      `Expected a mask of [${sizes.join(', ')}] but received [${mask.shape.join(', ')}]`,
    );
}

const isFlag = (value: unknown): boolean => typeof value === 'boolean';

/** How many dimensions of the tensor the indices stand for. */
function specified(indices: readonly Index[]): number {
  let count = 0;
  for (const index of indices) {
    if (index === null || index === '...' || typeof index === 'boolean') continue;
    count += index instanceof Tensor && isMask(index) ? index.ndim : 1;
  }
  return count;
}
