// From descriptions to tensors and back. Storages are read and written in pieces, so that a checkpoint takes the memory of
// its data once; tensors that shared memory when they were saved share it when they are loaded.

import { expected, IsotorchError } from '../errors.js';
import { type Device, Parameter, Tensor, tidy, torch } from '../tensor/index.js';
import { hasStorageClass, isSavedDType, itemSize, type SavedDType, swapBytes } from './dtypes.js';
import { replaceTensors } from './pickle/tree.js';
import { StorageRef, TensorRef } from './pickle/values.js';

/** Large enough that its cost is copying, small enough to stay in the cache; a multiple of the size of every dtype's items. */
export const pieceBytes = 1 << 22;

/** Where a storage's bytes are. */
export interface StorageReader {
  /** @throws ERR_FORMAT if the file has less than `storage.nbytes` bytes for it. */
  pieces(storage: StorageRef): AsyncIterable<Uint8Array>;
  /** What messages call the file. */
  readonly name: string;
  /** The numbers are big-endian. */
  readonly swapped: boolean;
}

/**
 * Puts tensors on `device` in place of all descriptions in `tree`. If anything fails, no tensor is left behind.
 * @param where what messages call the pickle
 */
export async function loadTensors(
  tree: unknown,
  where: string,
  reader: StorageReader,
  device: Device,
): Promise<unknown> {
  const users = new Map<StorageRef, TensorRef[]>();
  replaceTensors(tree, where, (ref) => {
    const others = users.get(ref.storage);
    if (others) others.push(ref);
    else users.set(ref.storage, [ref]);
    return ref;
  });
  const memory = new Map<StorageRef, Tensor>();
  const tensors = new Map<TensorRef, Tensor>();
  try {
    for (const [storage, refs] of users) {
      const sole = refs.length === 1 && isWhole(refs[0] as TensorRef) ? refs[0] : undefined;
      const loaded = await loadStorage(storage, reader, device, sole);
      if (sole) tensors.set(sole, loaded);
      else memory.set(storage, loaded);
    }
    return replaceTensors(tree, where, (ref) => {
      const tensor = tensors.get(ref) ?? makeTensor(ref, memory.get(ref.storage) as Tensor, device);
      tensors.set(ref, tensor);
      return tensor;
    });
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  } finally {
    // The tensors hold their storages.
    for (const tensor of memory.values()) tensor.dispose();
  }
}

/** An ordinary tensor that is all of its storage, in order. */
function isWhole({ storage, dtype, offset, size, stride, traits }: TensorRef): boolean {
  if (offset !== 0 || Object.values(traits).includes(true)) return false;
  let step = 1;
  for (let i = size.length - 1; i >= 0; i--) {
    if (stride[i] !== step) return false;
    step *= size[i] as number;
  }
  return step > 0 && step * itemSize(dtype) === storage.nbytes;
}

/** The storage as `sole`, or as a tensor of bytes. */
async function loadStorage(
  storage: StorageRef,
  reader: StorageReader,
  device: Device,
  sole?: TensorRef,
): Promise<Tensor> {
  const { dtype, shape } = sole
    ? { dtype: sole.dtype, shape: sole.size }
    : { dtype: 'uint8' as const, shape: [storage.nbytes] };
  let tensor: Tensor | undefined;
  try {
    let start = 0;
    for await (const piece of reader.pieces(storage)) {
      const bytes = checked(piece, storage, reader);
      if (storage.nbytes <= pieceBytes) return torch.fromBuffer(bytes, { dtype, shape, device });
      // Not before the first piece: then it is known that the file has so many bytes.
      tensor ??= torch.empty(shape, { dtype, device });
      const flat = tensor;
      tidy(() => {
        const source = torch.fromBuffer(bytes, { dtype });
        flat.view([-1]).narrow(0, start, source.numel()).copy_(source);
        start += source.numel();
      });
    }
    return tensor ?? torch.empty(shape, { dtype, device });
  } catch (error) {
    tensor?.dispose();
    throw error;
  }
}

function checked(piece: Uint8Array, { key, dtype }: StorageRef, { name, swapped }: StorageReader): Uint8Array {
  const bad = (problem: string) =>
    new IsotorchError('ERR_FORMAT', `${name}: storage ${JSON.stringify(key)} ${problem}`);
  // LibTorch's kernels rely on it.
  if (dtype === 'bool' && piece.some((byte) => byte > 1))
    throw bad('holds a boolean that is neither 0 nor 1; the file is damaged');
  if (!swapped) return piece;
  if (dtype === 'untyped') throw bad('is big-endian and of unknown dtype, which can’t be read');
  const copy = Uint8Array.from(piece);
  swapBytes(copy, dtype);
  return copy;
}

function makeTensor({ dtype, offset, size, stride, traits }: TensorRef, bytes: Tensor, device: Device): Tensor {
  return tidy(() => {
    const whole = bytes.numel() - (bytes.numel() % itemSize(dtype));
    // set_() as in Python, and not a view of `bytes`: views would share one version counter, and a change to one tensor
    // would count as a change to all of them in autograd's eyes.
    let tensor: Tensor = torch
      .empty([0], { dtype, device })
      .set_(bytes.narrow(0, 0, whole).view(dtype), offset, size, stride);
    if (traits.conjugated) tensor = tensor.conj();
    if (traits.negated) tensor = tensor._negView();
    if (traits.parameter) return new Parameter(tensor, traits.requiresGrad);
    if (traits.requiresGrad) tensor.requiresGrad = true;
    return tensor;
  });
}

/** Tensors on their way into a file: describes each, and knows the storages behind them. */
export class TensorTable {
  private readonly sources = new Map<bigint, { ref: StorageRef; tensor: Tensor }>();

  /** Undefined for what is no tensor. `where()` is its place, for messages. */
  describe(value: object, where: () => string): TensorRef | undefined {
    if (!(value instanceof Tensor)) return undefined;
    if (value.isDisposed)
      throw new IsotorchError('ERR_TENSOR_DISPOSED', `Expected a live tensor for ${where()} but it was disposed`);
    const { dtype } = value;
    if (!isSavedDType(dtype)) throw expected('a tensor that is not quantised', where(), dtype, 'ERR_DTYPE');
    const storage = this.storageOf(value, dtype, where);
    const traits = {
      // A state dict's entries are values, not leaves of a graph; PyTorch detaches them too.
      requiresGrad: value.requiresGrad && value.isLeaf() && !(value instanceof Parameter),
      parameter: false,
      conjugated: dtype.startsWith('complex') && value.isConj(),
      negated: value.isNeg(),
    };
    return new TensorRef(storage, dtype, value.storageOffset(), value.shape, value.stride(), traits);
  }

  private storageOf(tensor: Tensor, dtype: SavedDType, where: () => string): StorageRef {
    const { id, nbytes } = storageInfo(tensor, where);
    const typed = hasStorageClass(dtype) ? dtype : 'untyped';
    const known = this.sources.get(id)?.ref;
    if (known?.dtype === typed) return known;
    if (known && nbytes > 0) {
      const problem = `${where()} is ${dtype} but shares its memory with a tensor of ${known.dtype}`;
      throw new IsotorchError(
        'ERR_DTYPE',
        `${problem}, which PyTorch’s format can’t hold. Save a clone() of one of them`,
      );
    }
    const key = known?.key ?? String(this.sources.size);
    const ref = new StorageRef(key, typed, 'cpu', typed === 'untyped' ? nbytes : Math.floor(nbytes / itemSize(typed)));
    if (!known) this.sources.set(id, { ref, tensor });
    return ref;
  }

  /** Every storage once, with its content in pieces, which are copied when they are asked for. */
  *storages(): Generator<{ key: string; nbytes: number; pieces: AsyncIterable<Uint8Array> }> {
    for (const { ref, tensor } of this.sources.values())
      yield { key: ref.key, nbytes: ref.nbytes, pieces: piecesOf(tensor, ref.nbytes) };
  }
}

/** Sparse and meta tensors have no storage. */
function storageInfo(tensor: Tensor, where: () => string): { id: bigint; nbytes: number } {
  try {
    return tensor.storage();
  } catch (cause) {
    if (!(cause instanceof IsotorchError)) throw cause;
    throw new IsotorchError(cause.code, `Could not save ${where()}: ${cause.message}`, { cause });
  }
}

async function* piecesOf(tensor: Tensor, nbytes: number): AsyncGenerator<Uint8Array> {
  if (nbytes === 0) return;
  if (nbytes <= pieceBytes) {
    yield tensor.storage().toBytes().subarray(0, nbytes);
    return;
  }
  using bytes = tidy(() => {
    let values = tensor.detach();
    // Bits that change how the storage is read; without them it is seen as it is.
    if (tensor.dtype.startsWith('complex') && values.isConj()) values = values.conj();
    if (values.isNeg()) values = values._negView();
    const numel = nbytes / itemSize(tensor.dtype as SavedDType);
    return values.asStrided([numel], [1], 0).view('uint8');
  });
  for (let start = 0; start < nbytes; start += pieceBytes) {
    using piece = bytes.narrow(0, start, Math.min(pieceBytes, nbytes - start));
    yield (await piece.toArray()) as Uint8Array;
  }
}
