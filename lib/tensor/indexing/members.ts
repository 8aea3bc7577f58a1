// Python's brackets: `x[1:5, ..., mask]` is `x.at('1:5', '...', mask)`, and `x[0] = 1` is `x.setAt(0, 1)`.

import { expected } from '../../errors.js';
import { aten, isScalar, operator } from '../dispatch.js';
import type { Scalar } from '../dtype.js';
import { membersOfTensor } from '../members/members.js';
import { Tensor } from '../tensor.js';
import type { Index } from './slice.js';
import { type Indexed, indexed } from './view.js';

/** The view for the time of `use`, and then nothing of what was made for it. */
function withView<Result>(x: Tensor, part: Indexed, use: (view: Tensor) => Result): Result {
  try {
    return use(part.handle === x.handle ? x : new Tensor(part.handle));
  } finally {
    part.release();
  }
}

/** `value` without its leading dimensions of size 1, which are none of what it is assigned to. */
function withoutLeadingOnes<Result>(value: Tensor, use: (value: Tensor) => Result): Result {
  const { shape } = value;
  const first = shape.findIndex((size) => size !== 1);
  const sizes = first < 0 ? [] : shape.slice(first);
  if (sizes.length === shape.length) return use(value);
  const view = value.view(sizes);
  try {
    return use(view);
  } finally {
    view.dispose();
  }
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** `view[...] = value` for all of a view. */
function assign(view: Tensor, value: Tensor | Scalar): void {
  if (!(value instanceof Tensor)) view.fill_(value);
  else if (sameShape(value.shape, view.shape)) view.copy_(value);
  else withoutLeadingOnes(value, (rest) => view.copy_(rest));
}

export const indexing = membersOfTensor({
  /**
   * What Python's `x[…]` gives: a view where integers, slices, `'...'` and null suffice, else a copy.
   * @param indices one for each dimension, from the first on, as `Index` tells; tensors index together, and where they stand
   *   side by side their dimensions come in their place, else in front, as in PyTorch.
   * @throws ERR_INDEX for an integer outside of its dimension and for more indices than dimensions; ERR_SHAPE for masks of
   *   another shape; ERR_ARGUMENT for what is no index.
   * @example x.at(0); x.at('1:5:2', '...', null); x.at(slice(1, n), [0, 2]); x.at(x.gt(0));
   */
  at(...indices: Index[]): Tensor {
    const x = this as unknown as Tensor;
    const part = indexed(x, indices);
    if (part.tensors.length > 0) return withView(x, part, (view) => aten('index', view, part.tensors));
    return part.handle === x.handle ? aten('alias', x) : new Tensor(part.handle);
  },

  /**
   * What Python's `x[…] = value` does: writes into this tensor, and returns it.
   * @param index one index, or several in an array, as those of `at`. An array of integers is several: `[[0, 2]]` is one.
   * @param value a number, or a tensor that broadcasts to the indexed part.
   * @throws as `at`; ERR_SHAPE for a value of another shape; ERR_DTYPE for a number that the dtype can't hold.
   * @example x.setAt(0, 1); x.setAt([':', 2], torch.arange(4)); x.setAt(x.lt(0), 0);
   */
  setAt(index: Index | readonly Index[], value: Tensor | Scalar): Tensor {
    const x = this as unknown as Tensor;
    if (!(value instanceof Tensor || isScalar(value))) throw expected('a Tensor or a number', 'value', value);
    if (index === false) return x;
    // Alone, true is all of the tensor: a view as by null, which a value of another dtype may be written to.
    const part = indexed(x, Array.isArray(index) ? index : [index === true ? null : (index as Index)]);
    const { tensors } = part;
    withView(x, part, (view) => {
      if (tensors.length === 0) return assign(view, value);
      const put = (values: Tensor) => void operator('aten::index_put_').call([view, tensors, values]);
      if (value instanceof Tensor) return withoutLeadingOnes(value, put);
      const scalar = aten('scalar_tensor', value, { dtype: x.dtype, device: x.device });
      try {
        put(scalar);
      } finally {
        scalar.dispose();
      }
    });
    return x;
  },
});
