// A file mapped into memory, so that tensors need no copy of it: pages are read when they are used, and shared with other processes
// until they are written to. The mapping is private: what is written to a tensor stays in this process. As in Python, a file
// that is cut off while it is mapped ends the process, since the system has nothing to give for its pages.

import { type Tensor, torch } from '../tensor/index.js';

/**
 * Which parts of a mapping are the storages of a file, by the mapping's identity: saving a tensor saves its storage, and that
 * is not the whole file that was mapped. An identity may be given out anew when a mapping has ended; a tensor that happens to
 * lie within a part then is saved with that part alone, which has all of it.
 */
const partsOfMappings = new Map<bigint, StoragePart[]>();

export interface StoragePart {
  readonly start: number;
  readonly end: number;
}

export class MappedFile {
  private readonly parts: StoragePart[] = [];

  private constructor(private readonly bytes: Tensor) {
    partsOfMappings.set(bytes.storage().id, this.parts);
  }

  /** @throws ERR_LIBTORCH if the system refuses. */
  static open(path: string, size: number): MappedFile | undefined {
    // An empty file can't be mapped, and has nothing to map.
    return size === 0 ? undefined : new MappedFile(torch.fromFile(path, false, size, { dtype: 'uint8' }));
  }

  /** The bytes of a storage; the tensor keeps the mapping. */
  range(start: number, length: number): Tensor {
    this.parts.push({ start, end: start + length });
    return this.bytes.narrow(0, start, length);
  }

  /** The mapping ends with the last tensor on it. */
  close(): void {
    this.parts.sort((a, b) => a.start - b.start);
    this.bytes.dispose();
  }
}

/** The part of a mapping in which these bytes are; undefined if the storage is no mapping, or they are in none. */
export function partOfMapping(id: bigint, start: number, end: number): StoragePart | undefined {
  const parts = partsOfMappings.get(id);
  if (parts === undefined) return undefined;
  let [low, high] = [0, parts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((parts[middle] as StoragePart).start <= start) low = middle + 1;
    else high = middle;
  }
  const part = parts[low - 1];
  return part !== undefined && end <= part.end ? part : undefined;
}
