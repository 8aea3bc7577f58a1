// A file mapped into memory, so that tensors need no copy of it: pages are read when they are used, and shared with other processes
// until they are written to. The mapping is private: what is written to a tensor stays in this process. As in Python, a file
// that is cut off while it is mapped ends the process, since the system has nothing to give for its pages.

import { type Tensor, tidy, torch } from '../tensor/index.js';
import { itemSize, type SavedDType } from './dtypes.js';
import type { ByteSource } from './source.js';

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

export class MappedFile implements Disposable {
  private readonly parts: StoragePart[] = [];
  private readonly views = new Map<SavedDType, Tensor>();

  private constructor(
    private readonly file: ByteSource,
    private readonly bytes: Tensor,
  ) {
    partsOfMappings.set(bytes.storage().id, this.parts);
  }

  /** Undefined for an empty file, which has nothing to map. @throws ERR_LIBTORCH if the system refuses. */
  static open(file: ByteSource): MappedFile | undefined {
    const { name, size } = file;
    return size === 0 ? undefined : new MappedFile(file, torch.fromFile(name, false, size, { dtype: 'uint8' }));
  }

  /**
   * A tensor on part of the file, without a copy; it keeps the mapping.
   * @param part of a storage: its first byte, a multiple of the dtype's size, and its length; the tensor must lie within it
   * @param offset where in the storage the tensor begins, in elements
   */
  tensor(
    dtype: SavedDType,
    part: { start: number; length: number },
    { offset = 0, shape, stride }: { offset?: number; shape: readonly number[]; stride: readonly number[] },
  ): Tensor {
    this.add(part.start, part.length);
    const size = itemSize(dtype);
    let elements = this.views.get(dtype);
    if (!elements) {
      const whole = this.bytes.numel() - (this.bytes.numel() % size);
      elements = tidy(() => this.bytes.narrow(0, 0, whole).view(dtype)).keep();
      this.views.set(dtype, elements);
    }
    // set_() as in Python, and not a view of the bytes: views would share one version counter, and a change to one tensor
    // would count as a change to all of them in autograd's eyes.
    return torch.empty([0], { dtype }).set_(elements, part.start / size + offset, shape, stride);
  }

  /** The bytes of a storage; the tensor keeps the mapping. */
  range(start: number, length: number): Tensor {
    this.add(start, length);
    return this.bytes.narrow(0, start, length);
  }

  private add(start: number, length: number): void {
    const [place, before] = find(this.parts, start);
    if (before?.start !== start || before.end !== start + length)
      this.parts.splice(place, 0, { start, end: start + length });
  }

  /** The file, of which the many small things around the storages are read at once, as a page of the mapping would be. */
  get source(): ByteSource {
    const { name, size } = this.file;
    const read = async (offset: number, length: number): Promise<Uint8Array> => this.file.readSync!(offset, length);
    return { name, size, path: name, read, readRange: read, close: async () => {} };
  }

  /** The mapping ends with the last tensor on it. */
  close(): void {
    for (const tensor of [this.bytes, ...this.views.values()]) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The part of a mapping in which these bytes are; undefined if the storage is no mapping, or they are in none. */
export function partOfMapping(id: bigint, start: number, end: number): StoragePart | undefined {
  const parts = partsOfMappings.get(id);
  const [, part] = parts ? find(parts, start) : [];
  return part !== undefined && end <= part.end ? part : undefined;
}

/** Where a part that begins there belongs, parts being sorted, and the one before it. */
function find(parts: readonly StoragePart[], start: number): [place: number, before: StoragePart | undefined] {
  let [low, high] = [0, parts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((parts[middle] as StoragePart).start <= start) low = middle + 1;
    else high = middle;
  }
  return [low, parts[low - 1]];
}
