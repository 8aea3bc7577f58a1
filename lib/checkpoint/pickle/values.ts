// Python's objects as JavaScript has them, where a plain value won't do, and descriptions of tensors: this layer knows
// bytes and shapes, but makes no tensor.
//
//   dict → Map    OrderedDict → OrderedDict    list → array    tuple → frozen array    torch.Size → TorchSize (frozen)
//   set, frozenset → Set    int, float → number (bigint where an int is not safe)    bytes, bytearray → Uint8Array
//   None → null    complex → Complex    torch.float32 → TorchDType    torch.device → TorchDevice

import type { DType } from '../../tensor/dtype.js';
import { itemSize, type SavedDType } from '../dtypes.js';

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

/** Memory that tensors view: the record `data/<key>` of the file. */
export class StorageRef {
  constructor(
    readonly key: string,
    /** `untyped` if each tensor brings a dtype of its own. */
    readonly dtype: SavedDType | 'untyped',
    /** Where it was when it was saved, such as `cuda:0`. */
    readonly location: string,
    /** Elements; bytes if untyped. */
    readonly numel: number,
  ) {}

  get nbytes(): number {
    return this.dtype === 'untyped' ? this.numel : this.numel * itemSize(this.dtype);
  }
}

/** What a tensor is beside its window. */
export interface TensorTraits {
  readonly requiresGrad: boolean;
  /** It is an `nn.Parameter`. */
  readonly parameter: boolean;
  /** Its values are the conjugates, or the negatives, of what the storage holds. */
  readonly conjugated: boolean;
  readonly negated: boolean;
}

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
}

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
