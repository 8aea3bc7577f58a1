// From tensors to descriptions, and the storages behind them: what a file of torch.save is written from. Storages are written in
// pieces and once each, so that what shares memory goes on sharing it.

import { expected, IsotorchError } from '../errors.js';
import { Parameter, Tensor, tidy } from '../tensor/index.js';
import { Snapshot } from '../tensor/snapshot.js';
import { hasStorageClass, isQuantized, isSavedDType, itemSize, type SavedDType } from './dtypes.js';
import { partOfMapping } from './mapped.js';
import {
  type AnyTensorRef,
  MetaRef,
  NestedRef,
  type Quantizer,
  SparseRef,
  StorageRef,
  TensorRef,
} from './pickle/values.js';

export interface SavedStorage {
  key: string;
  nbytes: number;
  /** Its content as it was when the first of its tensors was described. */
  bytes: Snapshot;
}

/** Tensors on their way into a file: describes each, and knows the storages behind them. */
export class TensorTable implements Disposable {
  private readonly sources = new Map<string, { ref: StorageRef; bytes: Snapshot }>();
  /** Indices and values of sparse tensors, scales of quantised ones …, as tensors of their own. */
  private readonly parts: Tensor[] = [];

  /** Undefined for what is no tensor. `where()` is its place, for messages. */
  describe(value: object, where: () => string): AnyTensorRef | undefined {
    if (!(value instanceof Tensor)) return undefined;
    if (value.isDisposed)
      throw new IsotorchError('ERR_TENSOR_DISPOSED', `Expected a live tensor for ${where()} but it was disposed`);
    const { dtype, layout } = value;
    if (!isSavedDType(dtype)) throw expected('a dtype that PyTorch can save', where(), dtype, 'ERR_DTYPE');
    // A state dict's entries are values, not leaves of a graph; PyTorch detaches them too.
    const requiresGrad = value.requiresGrad && value.isLeaf && !(value instanceof Parameter);
    if (isNested(value)) return this.nested(value, requiresGrad, where);
    if (layout !== undefined && layout !== 'strided') return this.sparse(value, layout, where);
    if (value.device === 'meta')
      return new MetaRef(dtype, value.shape, value.stride(), { requiresGrad, parameter: false });
    return this.dense(value, dtype, requiresGrad, where);
  }

  [Symbol.dispose](): void {
    for (const part of this.parts) part.dispose();
    for (const { bytes } of this.sources.values()) bytes[Symbol.dispose]();
  }

  private dense(value: Tensor, dtype: SavedDType, requiresGrad: boolean, where: () => string): TensorRef {
    const { storage, start } = this.storageOf(value, dtype, where);
    const traits = {
      requiresGrad,
      parameter: false,
      conjugated: dtype.startsWith('complex') && value.isConj(),
      negated: value.isNeg(),
      ...(isQuantized(dtype) && { quantizer: this.quantizer(value, where) }),
    };
    const offset = value.storageOffset() - start / itemSize(dtype);
    return new TensorRef(storage, dtype, offset, value.shape, value.stride(), traits);
  }

  /** A tensor that is made of `value` and lives until everything is written. */
  private part(value: Tensor, where: () => string, make: (tensor: Tensor) => Tensor): TensorRef {
    const tensor = tidy(() => make(value.detach())).keep();
    this.parts.push(tensor);
    return this.dense(tensor, tensor.dtype as SavedDType, false, where);
  }

  private quantizer(value: Tensor, where: () => string): Quantizer {
    if (!perChannel.has(Number(value.qscheme())))
      return { scale: value.qScale(), zeroPoint: Number(value.qZeroPoint()) };
    return {
      axis: Number(value.qPerChannelAxis()),
      scales: this.part(value, where, (tensor) => tensor.qPerChannelScales()),
      zeroPoints: this.part(value, where, (tensor) => tensor.qPerChannelZeroPoints()),
    };
  }

  private nested(value: Tensor, requiresGrad: boolean, where: () => string): NestedRef {
    const part = (make: (tensor: Tensor) => Tensor) => this.part(value, where, make);
    return new NestedRef(
      part((tensor) => tensor.values()),
      part((tensor) => tensor._nestedTensorSize()),
      part((tensor) => tensor._nestedTensorStrides()),
      part((tensor) => tensor._nestedTensorStorageOffsets()),
      { requiresGrad, parameter: false },
    );
  }

  /** Its parts. Whether it requires a gradient is lost, as in Python. */
  private sparse(value: Tensor, layout: SparseRef['layout'], where: () => string): SparseRef {
    const part = (make: (tensor: Tensor) => Tensor): TensorRef => this.part(value, where, make);
    const traits = { requiresGrad: false, parameter: false };
    if (layout === 'sparse_coo') {
      const indices = [part((tensor) => tensor._indices())];
      return new SparseRef(
        layout,
        indices,
        part((tensor) => tensor._values()),
        value.shape,
        value.isCoalesced(),
        traits,
      );
    }
    const indices =
      layout === 'sparse_csr' || layout === 'sparse_bsr'
        ? [part((tensor) => tensor.crowIndices()), part((tensor) => tensor.colIndices())]
        : [part((tensor) => tensor.ccolIndices()), part((tensor) => tensor.rowIndices())];
    return new SparseRef(
      layout,
      indices,
      part((tensor) => tensor.values()),
      value.shape,
      null,
      traits,
    );
  }

  private storageOf(tensor: Tensor, dtype: SavedDType, where: () => string): { storage: StorageRef; start: number } {
    const info = storageInfo(tensor, where);
    const part = partOfMapping(info.id, ...bytesOf(tensor, itemSize(dtype)));
    const start = part?.start ?? 0;
    const nbytes = part ? part.end - part.start : info.nbytes;
    const typed = hasStorageClass(dtype) ? dtype : 'untyped';
    const identity = `${info.id} ${start}`;
    const known = this.sources.get(identity)?.ref;
    if (known?.dtype === typed) return { storage: known, start };
    if (known && nbytes > 0) {
      const problem = `${where()} is ${dtype} but shares its memory with a tensor of ${known.dtype}`;
      throw new IsotorchError(
        'ERR_DTYPE',
        `${problem}, which PyTorch’s format can’t hold. Save a clone() of one of them`,
      );
    }
    const key = known?.key ?? String(this.sources.size);
    const ref = new StorageRef(key, typed, 'cpu', typed === 'untyped' ? nbytes : Math.floor(nbytes / itemSize(typed)));
    if (!known) this.sources.set(identity, { ref, bytes: Snapshot.ofStorage(tensor, start, ref.nbytes) });
    return { storage: ref, start };
  }

  /** Every storage once. */
  *storages(): Generator<SavedStorage> {
    for (const { ref, bytes } of this.sources.values()) yield { key: ref.key, nbytes: ref.nbytes, bytes };
  }
}

/** c10's numbers of the schemes with a scale for each channel. */
const perChannel = new Set([1, 3, 4]);

/** Its sizes can't be asked for: each of its tensors has its own. */
function isNested(tensor: Tensor): boolean {
  try {
    void tensor.shape;
    return false;
  } catch (error) {
    if (!(error instanceof IsotorchError)) throw error;
    try {
      tensor._nestedTensorSize().dispose();
      return true;
    } catch {
      return false;
    }
  }
}

/** MKL-DNN's tensors have none. */
function storageInfo(tensor: Tensor, where: () => string): { id: bigint; nbytes: number } {
  try {
    return tensor.storage();
  } catch (cause) {
    if (!(cause instanceof IsotorchError)) throw cause;
    throw new IsotorchError(cause.code, `Could not save ${where()}: ${cause.message}`, { cause });
  }
}

/** The bytes of its storage that a tensor uses, from and to. */
function bytesOf(tensor: Tensor, size: number): [start: number, end: number] {
  const start = tensor.storageOffset();
  const stride = tensor.stride();
  const last = tensor.shape.reduce((sum, length, i) => sum + (length - 1) * (stride[i] as number), start);
  return [start * size, (tensor.numel() === 0 ? start : last + 1) * size];
}
