// Python's objects as JavaScript has them, where a plain value won't do, and descriptions of tensors: this layer knows
// bytes and shapes, but makes no tensor.
//
//   dict → Map    OrderedDict → OrderedDict    list → array    tuple → frozen array    torch.Size → TorchSize (frozen)
//   set, frozenset → Set    int, float → number (bigint where an int is not safe)    bytes, bytearray → Uint8Array
//   None → null    complex → Complex    torch.float32 → TorchDType    torch.device → TorchDevice
//   torch.strided → TorchLayout    numpy scalar → number, bigint, boolean, Complex    numpy array → a tensor

import type { DType, Layout } from '../../tensor/dtype.js';
import { itemSize, memoryDType, type SavedDType } from '../dtypes.js';

/**
 * `collections.OrderedDict`: a Map, and what Python keeps in the object's attributes. A module's state dict has
 * `_metadata` there: the version of each layer, by name, which `load_state_dict` uses.
 */
export class OrderedDict<K = unknown, V = unknown> extends Map<K, V> {
  declare _metadata?: unknown;
}

/** `torch.Size`: a frozen array of integers. */
export class TorchSize extends Array<number> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

/** Python's `complex`. */
export class Complex {
  constructor(
    readonly re: number,
    readonly im: number,
  ) {}
}

/** A dtype as a value, `torch.float32`: one object a dtype, so that `===` and Map keys work. */
export class TorchDType {
  private constructor(readonly name: DType) {}

  private static readonly all = new Map<DType, TorchDType>();

  static of(name: DType): TorchDType {
    const known = TorchDType.all.get(name) ?? new TorchDType(name);
    TorchDType.all.set(name, known);
    return known;
  }

  toString(): string {
    return this.name;
  }
}

/** A device as a value, `torch.device('cuda', 1)`. */
export class TorchDevice {
  constructor(
    readonly type: string,
    readonly index?: number,
  ) {}

  toString(): string {
    return this.index === undefined ? this.type : `${this.type}:${this.index}`;
  }
}

/** A layout as a value, `torch.sparse_coo`: one object a layout. */
export class TorchLayout {
  private constructor(readonly name: Layout) {}

  private static readonly all = new Map<Layout, TorchLayout>();

  static of(name: Layout): TorchLayout {
    const known = TorchLayout.all.get(name) ?? new TorchLayout(name);
    TorchLayout.all.set(name, known);
    return known;
  }

  toString(): string {
    return this.name;
  }
}

/** Memory that tensors view: the record `data/<key>` of the file, or bytes in the pickle itself. */
export class StorageRef {
  constructor(
    readonly key: string,
    /** `untyped` if each tensor brings a dtype of its own. */
    readonly dtype: SavedDType | 'untyped',
    /** Where it was when it was saved, such as `cuda:0`. */
    readonly location: string,
    /** Elements; bytes if untyped. */
    readonly numel: number,
    /** The content, little-endian, where the pickle has it: NumPy's arrays. */
    readonly inline?: Uint8Array,
  ) {}

  get nbytes(): number {
    return this.dtype === 'untyped' ? this.numel : this.numel * itemSize(this.dtype);
  }
}

/** A part of a storage that old files treat as a storage of its own. Offset and numel count elements. */
export class StorageView {
  constructor(
    readonly root: StorageRef,
    readonly offset: number,
    readonly numel: number,
  ) {}
}

/** What a tensor is beside its window. */
export interface TensorTraits {
  readonly requiresGrad: boolean;
  /** It is an `nn.Parameter`. */
  readonly parameter: boolean;
  /** Its values are the conjugates, or the negatives, of what the storage holds. */
  readonly conjugated: boolean;
  readonly negated: boolean;
  /** It is to be converted: it was saved through a dtype that NumPy has. */
  readonly cast?: SavedDType;
  /** What its whole numbers mean, if its dtype is a quantised one. */
  readonly quantizer?: Quantizer;
}

/** How real numbers r were made whole: r = scale · (q − zeroPoint), for the tensor or for each index of one dimension. */
export type Quantizer =
  | { readonly scale: number; readonly zeroPoint: number }
  | { readonly axis: number; readonly scales: TensorRef; readonly zeroPoints: TensorRef };

/** A tensor: a window onto a storage. Offset, size and stride count elements. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly dtype: SavedDType,
    readonly offset: number,
    readonly size: readonly number[],
    readonly stride: readonly number[],
    readonly traits: TensorTraits,
  ) {}

  /** Takes on what `other` is: old files make a tensor first and say later, by BUILD, what it is. */
  become(other: TensorRef): void {
    Object.assign(this, other);
  }
}

/** A sparse tensor: the indices that its layout has (COO one, compressed two) and the values at them. */
export class SparseRef {
  constructor(
    readonly layout: Exclude<Layout, 'strided'>,
    readonly indices: readonly TensorRef[],
    readonly values: TensorRef,
    readonly size: readonly number[],
    readonly coalesced: boolean | null,
    readonly traits: Pick<TensorTraits, 'parameter' | 'requiresGrad'>,
  ) {}
}

/** A tensor that was on the device `meta`: a shape without values. */
export class MetaRef {
  constructor(
    readonly dtype: SavedDType,
    readonly size: readonly number[],
    readonly stride: readonly number[],
    readonly traits: Pick<TensorTraits, 'parameter' | 'requiresGrad'>,
  ) {}
}

/** A nested tensor: windows onto one memory, each with a size, strides and an offset of its own, as rows of tensors. */
export class NestedRef {
  constructor(
    readonly buffer: TensorRef,
    readonly sizes: TensorRef,
    readonly strides: TensorRef,
    readonly offsets: TensorRef,
    readonly traits: Pick<TensorTraits, 'parameter' | 'requiresGrad'>,
  ) {}
}

export type AnyTensorRef = TensorRef | SparseRef | MetaRef | NestedRef;

export const isTensorRef = (value: unknown): value is AnyTensorRef =>
  value instanceof TensorRef || value instanceof SparseRef || value instanceof MetaRef || value instanceof NestedRef;

/** The windows onto storages that a tensor consists of, its own first. */
export function partsOf(ref: AnyTensorRef): readonly TensorRef[] {
  if (ref instanceof SparseRef) return [...ref.indices, ref.values];
  if (ref instanceof NestedRef) return [ref.buffer, ref.sizes, ref.strides, ref.offsets];
  if (ref instanceof MetaRef) return [];
  const { quantizer } = ref.traits;
  return quantizer && 'axis' in quantizer ? [ref, quantizer.scales, quantizer.zeroPoints] : [ref];
}

/** A storage that a file holds beside its tensors, as the tensor of all that is in it: of bytes, if nothing says more. */
export function tensorOfStorage(storage: StorageRef | StorageView): TensorRef {
  const { root, offset, numel } =
    storage instanceof StorageView ? storage : { root: storage, offset: 0, numel: storage.numel };
  const dtype = root.dtype === 'untyped' ? 'uint8' : memoryDType(root.dtype);
  return new TensorRef(root, dtype, offset, [numel], [1], plainTraits);
}

const schemes = ['per_tensor_affine', 'per_channel_affine', 'per_channel_affine_float_qparams'] as const;
type SchemeName = (typeof schemes)[number];

/** A scheme of quantisation as a value, `torch.per_tensor_affine`: one object a scheme. */
export class QuantizationScheme {
  private constructor(readonly name: SchemeName) {}

  static readonly all: readonly QuantizationScheme[] = schemes.map((name) => new QuantizationScheme(name));

  static of(name: SchemeName): QuantizationScheme {
    return QuantizationScheme.all[schemes.indexOf(name)] as QuantizationScheme;
  }

  toString(): string {
    return this.name;
  }
}

export const plainTraits: TensorTraits = { requiresGrad: false, parameter: false, conjugated: false, negated: false };

/** What is wrong with a global's arguments; the reader adds where. */
export class RuleError extends Error {}

/** Python's tuple. */
export const isTuple = (value: unknown): value is readonly unknown[] => Array.isArray(value) && Object.isFrozen(value);
/** Python's list. */
export const isList = (value: unknown): value is unknown[] => Array.isArray(value) && !Object.isFrozen(value);

export const torchSize = (sizes: readonly number[]): TorchSize => {
  const made = new TorchSize();
  made.push(...sizes);
  return Object.freeze(made) as TorchSize;
};
