// A file mapped into memory, so that tensors need no copy of it: pages are read when they are used, and shared with other processes
// until they are written to. The mapping is private: what is written to a tensor stays in this process. As in Python, a file
// that is cut off while it is mapped ends the process, since the system has nothing to give for its pages.

import { type Tensor, torch } from '../tensor/index.js';

export class MappedFile {
  private constructor(private readonly bytes: Tensor) {}

  /** @throws ERR_LIBTORCH if the system refuses. */
  static open(path: string, size: number): MappedFile | undefined {
    // An empty file can't be mapped, and has nothing to map.
    return size === 0 ? undefined : new MappedFile(torch.fromFile(path, false, size, { dtype: 'uint8' }));
  }

  /** Bytes of the file; the tensor keeps the mapping. */
  range(start: number, length: number): Tensor {
    return this.bytes.narrow(0, start, length);
  }

  /** The mapping ends with the last tensor on it. */
  close(): void {
    this.bytes.dispose();
  }
}
