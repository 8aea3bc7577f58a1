// Sparse tensors from their parts. A file may claim anything of its indices, and kernels rely on them, so LibTorch checks that they
// fit the size, and are sorted where the tensor says so, before anything else sees the tensor.

import { IsotorchError } from '../errors.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import type { SparseRef, TensorRef } from './pickle/values.js';

/** @throws ERR_FORMAT if the parts are no sparse tensor, in LibTorch's words. */
export function sparseTensor(ref: SparseRef, where: string, tensorOf: (part: TensorRef) => Tensor): Tensor {
  const values = tensorOf(ref.values);
  const [first, second] = ref.indices.map(tensorOf) as [Tensor, Tensor];
  try {
    return tidy(() => {
      if (ref.layout === 'sparse_coo') {
        torch._validateSparseCooTensorArgs(first, values, ref.size, ref.coalesced, { checkPinning: false });
        return torch._sparseCooTensorUnsafe(first, values, ref.size, { isCoalesced: ref.coalesced });
      }
      torch._validateSparseCompressedTensorArgs(first, second, values, ref.size, ref.layout, { checkPinning: false });
      return torch._sparseCompressedTensorUnsafe(first, second, values, ref.size, {
        layout: ref.layout,
        dtype: values.dtype,
      });
    });
  } catch (cause) {
    if (!(cause instanceof IsotorchError)) throw cause;
    const reason = cause.message.split('\n')[0];
    throw new IsotorchError('ERR_FORMAT', `${where}: a tensor of layout ${ref.layout} is not sound: ${reason}`, {
      cause,
    });
  }
}
