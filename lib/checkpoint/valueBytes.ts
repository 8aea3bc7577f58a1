// A tensor's values as bytes: row-major, little-endian, in pieces that are copied when they are asked for. What goes into
// files that know nothing of strides and storages, and into hashes.

import { type Tensor, tidy } from '../tensor/index.js';
import { pieceBytes } from './tensors.js';

/** Of a view, those that it looks at; from any device. Beside a piece it takes memory only where the tensor is not contiguous. */
export async function* valueBytes(tensor: Tensor): AsyncGenerator<Uint8Array> {
  if (tensor.numel() === 0) return;
  using bytes = tidy(() => {
    let values = tensor.detach();
    if (tensor.dtype.startsWith('complex')) values = values.resolveConj();
    return values.resolveNeg().contiguous().view([-1]).view('uint8');
  });
  const nbytes = bytes.numel();
  for (let start = 0; start < nbytes; start += pieceBytes) {
    using piece = bytes.narrow(0, start, Math.min(pieceBytes, nbytes - start));
    yield (nbytes <= pieceBytes ? piece.toArraySync() : await piece.toArray()) as Uint8Array;
  }
}
