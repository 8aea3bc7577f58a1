// `torch._utils._rebuild_sparse_tensor(layout, parts)`: sparse tensors, as descriptions. Whether indices fit the size can only be
// known from their values; tensors.ts lets LibTorch check them before anything uses the tensor.

import type { Layout } from '../../tensor/dtype.js';
import { isTuple, RuleError, SparseRef, TensorRef, TorchLayout } from './values.js';

const layouts: readonly Layout[] = ['strided', 'sparse_coo', 'sparse_csr', 'sparse_csc', 'sparse_bsr', 'sparse_bsc'];

/** `torch.serialization._get_layout('torch.sparse_coo')` */
export function layoutOf([name]: readonly unknown[]): TorchLayout {
  const found = layouts.find((layout) => name === `torch.${layout}`);
  if (found === undefined) throw new RuleError('expected the name of a layout, such as torch.sparse_coo');
  return TorchLayout.of(found);
}

export function rebuildSparseTensor([layout, parts]: readonly unknown[]): SparseRef {
  if (!(layout instanceof TorchLayout) || layout.name === 'strided') throw new RuleError('expected a sparse layout');
  if (!isTuple(parts)) throw new RuleError('expected the parts of a sparse tensor');
  const traits = { parameter: false, requiresGrad: false };
  if (layout.name === 'sparse_coo') {
    const [indices, values, size, coalesced = null] = parts;
    if (coalesced !== null && typeof coalesced !== 'boolean')
      throw new RuleError('expected a boolean for is_coalesced');
    return new SparseRef(layout.name, [indexOf(indices)], valuesOf(values), sizeOf(size), coalesced, traits);
  }
  const [compressed, plain, values, size] = parts;
  return new SparseRef(
    layout.name,
    [indexOf(compressed), indexOf(plain)],
    valuesOf(values),
    sizeOf(size),
    null,
    traits,
  );
}

function valuesOf(value: unknown): TensorRef {
  if (!(value instanceof TensorRef)) throw new RuleError('expected a tensor of values');
  return value;
}

function indexOf(value: unknown): TensorRef {
  if (!(value instanceof TensorRef) || !['int64', 'int32'].includes(value.dtype))
    throw new RuleError('expected indices of int64 or int32');
  return value;
}

function sizeOf(size: unknown): readonly number[] {
  const fine =
    Array.isArray(size) && size.length <= 64 && size.every((length) => Number.isSafeInteger(length) && length >= 0);
  if (!fine) throw new RuleError('expected a size of integers, 0 or more');
  return size;
}
