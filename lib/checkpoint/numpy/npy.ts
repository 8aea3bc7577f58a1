// NumPy's .npy files: one array each. Read in pieces or mapped into memory, in any byte order and either order of dimensions;
// written row-major and little-endian, byte for byte as np.save does.

import { expected, IsotorchError } from '../../errors.js';
import { Tensor, tidy, torch } from '../../tensor/index.js';
import { Snapshot } from '../../tensor/snapshot.js';
import { writeBytes, writeFileAtomically } from '../atomicFile.js';
import { piecesOf } from '../containers/container.js';
import { itemSize } from '../dtypes.js';
import { expectKind } from '../formats.js';
import { MappedFile } from '../mapped.js';
import { areBytes, type FileInput, openSource, type PathInput } from '../source.js';
import { type NpyHeader, readNpyHeader, writeNpyHeader } from './header.js';

export interface LoadNumpyOptions {
  /**
   * Map the file into memory instead of reading it; changes to the tensor stay private. What can't be a window onto the file
   * (big-endian numbers, Fortran's order, compressed members, those that are not aligned) is read. The file must not be
   * shortened while the tensor is alive: the system ends processes that touch what is gone. @default false
   */
  mmap?: boolean;
}

/**
 * Reads a .npy file (`torch.from_numpy(np.load(path))`): versions 1 to 3, both byte orders and both orders of dimensions;
 * bool, (u)int8 to (u)int64, float16 to float64, complex64 and complex128. The tensor is row-major.
 *
 * @param file a path, or the file's bytes
 * @throws ERR_FILE if it is missing or unreadable; ERR_FORMAT if it is no .npy file, is cut off or too long; ERR_DTYPE for
 *   elements that are no numbers, such as Python objects, texts and structures; ERR_ARGUMENT for `mmap` of bytes
 * @example const features = await checkpoint.loadNpy('features.npy');
 */
export async function loadNpy(file: FileInput, { mmap = false }: LoadNumpyOptions = {}): Promise<Tensor> {
  checkMap(file, mmap);
  const source = await openSource(file);
  try {
    await expectKind(source, 'a .npy file', 'npy');
    const header = await readNpyHeader(source);
    using mapped = mmap ? MappedFile.open(source) : undefined;
    return (
      mappedArray(header, mapped, 0, source.name) ??
      (await readArray(header, piecesOf(source, header.offset, header.nbytes), source.name))
    );
  } finally {
    await source.close();
  }
}

/**
 * Writes a tensor as a .npy file (`np.save(path, tensor.numpy())`), whole or not at all.
 * @throws ERR_DTYPE for dtypes that NumPy doesn't have (bfloat16, float8 …); ERR_FILE if it can't be written
 * @example await checkpoint.saveNpy('scores.npy', scores);
 */
export async function saveNpy(path: PathInput, tensor: Tensor): Promise<void> {
  const { header, values: held } = npyContent(tensor, 'tensor');
  using values = held;
  await writeFileAtomically(path, async (sink) => {
    await sink.write(header);
    await writeBytes(sink, values);
  });
}

/**
 * A tensor as a .npy file's bytes, as it is now; its values are the caller's to let go.
 * @throws ERR_ARGUMENT for what is no tensor, ERR_TENSOR_DISPOSED, ERR_DTYPE
 */
export function npyContent(tensor: unknown, name: string): { header: Uint8Array; values: Snapshot } {
  if (!(tensor instanceof Tensor)) throw expected('a Tensor', name, tensor);
  if (tensor.isDisposed)
    throw new IsotorchError('ERR_TENSOR_DISPOSED', `Expected a live tensor for ${name} but it was disposed`);
  const { dtype, shape } = tensor;
  return { header: writeNpyHeader(dtype, shape), values: Snapshot.ofValues(tensor) };
}

export function checkMap(file: unknown, mmap: unknown): void {
  if (typeof mmap !== 'boolean') throw expected('a boolean', 'mmap', mmap);
  if (mmap && areBytes(file)) throw expected('a path, since only files can be mapped,', 'file', file);
}

/** The array where it lies in a mapped file whose byte `at` the .npy file starts at; undefined if it must be read. */
export function mappedArray(
  { dtype, swapped, fortran, shape, offset, nbytes }: NpyHeader,
  file: MappedFile | undefined,
  at: number,
  name: string,
): Tensor | undefined {
  const start = at + offset;
  if (!file || swapped || fortran || nbytes === 0 || start % itemSize(dtype) !== 0) return undefined;
  return tidy(() => {
    const bytes = file.range(start, nbytes);
    if (dtype === 'bool' && bytes.gt(1).any().item()) throw badBoolean(name);
    // set_() and not the view itself, which would share the version counter of all arrays of the file.
    return torch.empty([0], { dtype }).set_(bytes.view(dtype).view(shape));
  });
}

/** The array from its data in pieces of any length. */
export async function readArray(
  { dtype, swapped, fortran, shape }: NpyHeader,
  pieces: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Tensor> {
  const tensor = torch.empty(fortran ? shape.toReversed() : shape, { dtype });
  try {
    let at = 0;
    for await (const piece of pieces) {
      if (dtype === 'bool' && piece.some((byte) => byte > 1)) throw badBoolean(name);
      tidy(() => {
        const bytes = torch.fromBuffer(piece, { dtype: 'uint8' });
        tensor.view([-1]).view('uint8').narrow(0, at, piece.length).copy_(bytes);
      });
      at += piece.length;
    }
  } catch (error) {
    tensor.dispose();
    throw error;
  }
  if (!swapped && !fortran) return tensor;
  using _ = tensor;
  return tidy(() => {
    let array = tensor;
    if (swapped) {
      const unit = itemSize(dtype) / (dtype.startsWith('complex') ? 2 : 1);
      const bytes = array.view([-1]).view('uint8').view([-1, unit]).flip([1]);
      array = bytes.view([-1]).view(dtype).view(array.shape);
    }
    return fortran
      ? array.permute(shape.map((_, i) => shape.length - 1 - i)).clone({ memoryFormat: 'contiguous_format' })
      : array;
  });
}

/** LibTorch's kernels rely on it. */
const badBoolean = (name: string) =>
  new IsotorchError('ERR_FORMAT', `${name} holds a boolean that is neither 0 nor 1; the file is damaged`);
