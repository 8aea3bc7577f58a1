// Which tensors share memory: those on one storage whose ranges of bytes, from the first element to the last, overlap. As in
// Python's package, tensors that take turns within one range (the columns of a matrix) count as overlapping.

import { IsotorchError } from '../../errors.js';
import type { Tensor } from '../../tensor/index.js';

interface Named {
  readonly name: string;
  readonly tensor: Tensor;
  readonly nbytes: number;
}

/** All pairs of neighbours in memory that overlap, each as [the first in memory, the other]. */
export function* sharedPairs(tensors: readonly Named[]): Generator<[string, string]> {
  const byStorage = new Map<bigint, { name: string; start: number; end: number }[]>();
  for (const { name, tensor, nbytes } of tensors) {
    const id = storageId(name, tensor);
    if (nbytes === 0) continue;
    const size = nbytes / tensor.numel();
    const { shape } = tensor;
    const span = tensor.stride().reduce((sum, step, i) => sum + step * ((shape[i] as number) - 1), 1);
    const start = tensor.storageOffset() * size;
    const range = { name, start, end: start + span * size };
    const others = byStorage.get(id);
    if (others) others.push(range);
    else byStorage.set(id, [range]);
  }
  for (const ranges of byStorage.values()) {
    ranges.sort((a, b) => a.start - b.start);
    let reach = ranges[0] as (typeof ranges)[number];
    for (const range of ranges.slice(1)) {
      if (range.start < reach.end) yield [reach.name, range.name];
      if (range.end > reach.end) reach = range;
    }
  }
}

export const firstShared = (tensors: readonly Named[]): [string, string] | undefined =>
  sharedPairs(tensors).next().value ?? undefined;

/** Sparse and meta tensors have no storage. */
function storageId(name: string, tensor: Tensor): bigint {
  try {
    return tensor.storage().id;
  } catch (cause) {
    if (!(cause instanceof IsotorchError)) throw cause;
    throw new IsotorchError(cause.code, `Could not save tensors[${JSON.stringify(name)}]: ${cause.message}`, { cause });
  }
}
