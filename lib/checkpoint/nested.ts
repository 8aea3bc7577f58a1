// Nested tensors from their parts. A file may claim anything of where each of their tensors lies, and kernels rely on it, so it is
// checked that all of them lie within the buffer before anything else sees the tensor.

import { IsotorchError } from '../errors.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import type { NestedRef, TensorRef } from './pickle/values.js';

/** @throws ERR_FORMAT if one of its tensors would leave the buffer */
export function nestedTensor(ref: NestedRef, where: string, tensorOf: (part: TensorRef) => Tensor): Tensor {
  const [buffer, sizes, strides, offsets] = [ref.buffer, ref.sizes, ref.strides, ref.offsets].map(tensorOf) as [
    ...[Tensor, Tensor, Tensor, Tensor],
  ];
  const length = buffer.numel();
  const starts = numbers(offsets);
  const [shape, steps] = [numbers(sizes), numbers(strides)];
  const rank = starts.length === 0 ? 0 : shape.length / starts.length;
  for (const [i, start] of starts.entries()) {
    const size = shape.slice(i * rank, (i + 1) * rank);
    const stride = steps.slice(i * rank, (i + 1) * rank);
    const last = size.reduce((sum, count, d) => sum + (count - 1) * (stride[d] as number), start);
    const sound = start >= 0 && [...size, ...stride].every((value) => value >= 0);
    if (!sound || !(size.includes(0) || last < length))
      throw new IsotorchError(
        'ERR_FORMAT',
        `${where}: a nested tensor is not sound: its tensor ${i} of size [${size}] leaves the ${length} elements of its memory`,
      );
  }
  return tidy(() => torch._nestedViewFromBuffer(buffer, sizes, strides, offsets));
}

const numbers = (tensor: Tensor): number[] => {
  using flat = tensor.reshape([-1]);
  return Array.from(flat.toArraySync() as BigInt64Array, Number);
};
