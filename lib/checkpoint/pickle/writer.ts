// Writes pickles that `torch.load(path, weights_only=True)` reads: protocol 2, the opcodes and globals of that reader only.
// Objects that appear twice are written once and referred to, so that sharing and cycles survive.

import { types } from 'node:util';
import { describe, expected, IsotorchError } from '../../errors.js';
import { isPlainObject } from '../../plainObject.js';
import { hasStorageClass, storageClasses } from '../dtypes.js';
import { ByteBuilder } from './byteBuilder.js';
import { ForeignObject } from './foreign.js';
import { op } from './opcodes.js';
import { encodeLong, encodeText } from './text.js';
import { maxDepth } from './tree.js';
import {
  type AnyTensorRef,
  Complex,
  isTensorRef,
  isTuple,
  MetaRef,
  NestedRef,
  OrderedDict,
  QuantizationScheme,
  type Quantizer,
  SparseRef,
  type StorageRef,
  type TensorRef,
  TorchDevice,
  TorchDType,
  TorchLayout,
  TorchSize,
  torchSize,
} from './values.js';

/** What to write for an object that is a tensor, else undefined. `where()` is its place, such as `object["weight"]`. */
export type DescribeTensor = (value: object, where: () => string) => AnyTensorRef | undefined;

/**
 * @throws ERR_ARGUMENT, naming the place, for what a checkpoint can't hold: undefined, functions, instances of classes.
 */
export function pickle(object: unknown, describeTensor: DescribeTensor = () => undefined): Uint8Array {
  return new PickleWriter(describeTensor).dump(object);
}

/** Python's pickler writes items in groups of this many, which bounds the reader's stack. */
const batch = 1000;

class PickleWriter {
  private readonly out = new ByteBuilder();
  /** Numbers of what was written: objects by identity, text by value. */
  private readonly memo = new Map<unknown, number>();
  private readonly globals = new Map<string, number>();
  private readonly path: string[] = ['object'];

  constructor(private readonly describeTensor: DescribeTensor) {}

  dump(object: unknown): Uint8Array {
    this.out.byte(op.PROTO);
    this.out.byte(2);
    this.save(object);
    this.out.byte(op.STOP);
    return this.out.bytes();
  }

  private save(value: unknown): void {
    if (value === null) this.out.byte(op.NONE);
    else if (typeof value === 'string') this.text(value);
    else if (typeof value === 'boolean') this.out.byte(value ? op.NEWTRUE : op.NEWFALSE);
    else if (typeof value === 'bigint') this.bigInteger(value);
    else if (typeof value === 'number') this.number(value);
    else if (typeof value === 'object') this.object(value);
    else throw this.unsupported(value);
  }

  private unsupported(value: unknown): IsotorchError {
    const can = 'a tensor, number, bigint, boolean, string, null, Uint8Array, array, Set, Map or plain object';
    const hint = ArrayBuffer.isView(value)
      ? '; make a tensor of it with torch.tensor()'
      : value instanceof ForeignObject
        ? ` of ${value.name}: what isotorch doesn’t know it can’t write`
        : '';
    return new IsotorchError(
      'ERR_ARGUMENT',
      `Expected ${can} for ${this.path.join('')} but received ${describe(value)}${hint}`,
    );
  }

  private object(value: object): void {
    if (this.recall(value)) return;
    if (this.path.length > maxDepth)
      throw expected(`objects nested at most ${maxDepth} deep`, this.path.slice(0, 4).join(''), value);
    const tensor = isTensorRef(value) ? value : this.describeTensor(value, () => this.path.join(''));
    if (tensor instanceof SparseRef) this.sparse(value, tensor);
    else if (tensor instanceof MetaRef) this.meta(value, tensor);
    else if (tensor instanceof NestedRef) this.nested(value, tensor);
    else if (tensor?.traits.quantizer) this.quantized(value, tensor, tensor.traits.quantizer);
    else if (tensor) this.tensor(value, tensor);
    else if (value instanceof TorchSize) this.call(value, 'torch', 'Size', [Object.freeze([...value])]);
    else if (isTuple(value)) this.tuple(value);
    else if (Array.isArray(value)) this.list(value);
    else if (types.isMap(value)) this.map(value);
    else if (types.isSet(value)) this.call(value, '__builtin__', 'set', [[...value]]);
    else if (types.isUint8Array(value)) this.binary(value);
    else if (value instanceof TorchDType || value instanceof QuantizationScheme) this.global('torch', value.name);
    else if (value instanceof TorchDevice)
      this.call(value, 'torch', 'device', [value.type, ...(value.index === undefined ? [] : [value.index])]);
    else if (value instanceof TorchLayout)
      this.call(value, 'torch.serialization', '_get_layout', [`torch.${value.name}`]);
    else if (value instanceof Complex)
      this.call(value, '__builtin__', 'complex', [value.re, value.im], (part) => this.float(part as number));
    else this.record(value);
  }

  /** A plain object, as a dict. */
  private record(value: object): void {
    if (!isPlainObject(value)) throw this.unsupported(value);
    this.out.byte(op.EMPTY_DICT);
    this.put(value);
    this.items(Object.entries(value));
  }

  // Containers

  private within(step: string, value: unknown): void {
    this.path.push(step);
    this.save(value);
    this.path.pop();
  }

  private list(items: readonly unknown[]): void {
    this.out.byte(op.EMPTY_LIST);
    this.put(items);
    for (let start = 0; start < items.length; start += batch) {
      this.out.byte(op.MARK);
      for (let i = start; i < Math.min(start + batch, items.length); i++) this.within(`[${i}]`, items[i]);
      this.out.byte(op.APPENDS);
    }
  }

  private tuple(items: readonly unknown[]): void {
    if (items.length === 0) {
      this.out.byte(op.EMPTY_TUPLE);
      return;
    }
    this.out.byte(op.MARK);
    for (const [i, item] of items.entries()) this.within(`[${i}]`, item);
    // If a list among the items holds this tuple, it was written there: drop these items and refer to that one.
    if (this.memo.has(items)) {
      this.out.byte(op.POP_MARK);
      this.recall(items);
      return;
    }
    this.out.byte(op.TUPLE);
    this.put(items);
  }

  private map(map: Map<unknown, unknown>): void {
    const metadata = '_metadata' in map ? map._metadata : undefined;
    const ordered = map instanceof OrderedDict || metadata !== undefined;
    if (ordered) {
      this.global('collections', 'OrderedDict');
      this.out.byte(op.EMPTY_TUPLE);
      this.out.byte(op.REDUCE);
    } else {
      this.out.byte(op.EMPTY_DICT);
    }
    this.put(map);
    this.items([...map]);
    if (metadata === undefined) return;
    this.out.byte(op.EMPTY_DICT);
    this.text('_metadata');
    this.within('._metadata', metadata);
    this.out.byte(op.SETITEM);
    this.out.byte(op.BUILD);
  }

  private items(entries: readonly (readonly [unknown, unknown])[]): void {
    for (let start = 0; start < entries.length; start += batch) {
      this.out.byte(op.MARK);
      for (const [key, value] of entries.slice(start, start + batch)) {
        this.key(key);
        this.within(`[${typeof key === 'string' ? JSON.stringify(key) : String(key)}]`, value);
      }
      this.out.byte(op.SETITEMS);
    }
  }

  private key(key: unknown): void {
    const plain = key === null || typeof key !== 'object' || key instanceof TorchDType || key instanceof TorchDevice;
    if (!plain && !(Array.isArray(key) && Object.isFrozen(key))) {
      throw expected('a string, number, bigint, boolean, null or frozen array', `a key of ${this.path.join('')}`, key);
    }
    this.within(' key', key);
  }

  /** Protocol 2 has no bytes; Python writes them as latin1 text. */
  private binary(bytes: Uint8Array): void {
    this.call(bytes, '_codecs', 'encode', [
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'),
      'latin1',
    ]);
  }

  private call(
    made: object,
    module: string,
    name: string,
    args: readonly unknown[],
    save = (arg: unknown) => this.save(arg),
  ): void {
    this.global(module, name);
    this.out.byte(op.MARK);
    for (const arg of args) save(arg);
    this.out.byte(op.TUPLE);
    this.out.byte(op.REDUCE);
    this.put(made);
  }

  // Tensors

  /** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, OrderedDict(), …)`, or v3 with a dtype. */
  private tensor(value: object, { storage, dtype, offset, size, stride, traits }: TensorRef): void {
    const untyped = storage.dtype === 'untyped';
    this.global('torch._utils', untyped ? '_rebuild_tensor_v3' : '_rebuild_tensor_v2');
    this.out.byte(op.MARK);
    this.storage(storage);
    this.integer(offset);
    this.integers(size);
    this.integers(stride);
    this.save(traits.requiresGrad);
    this.global('collections', 'OrderedDict');
    this.out.byte(op.EMPTY_TUPLE);
    this.out.byte(op.REDUCE);
    if (untyped) this.global('torch', dtype);
    if (traits.conjugated || traits.negated) {
      const bits = { ...(traits.conjugated && { conj: true }), ...(traits.negated && { neg: true }) };
      this.save(bits);
    }
    this.out.byte(op.TUPLE);
    this.out.byte(op.REDUCE);
    this.put(value);
  }

  /** `_rebuild_sparse_tensor(layout, parts)` */
  private sparse(value: object, { layout, indices, values, size, coalesced }: SparseRef): void {
    const shape = torchSize(size);
    const parts = [...indices, values, shape, ...(coalesced === null ? [] : [coalesced])];
    this.call(value, 'torch._utils', '_rebuild_sparse_tensor', [TorchLayout.of(layout), Object.freeze(parts)]);
  }

  /** `_rebuild_qtensor(storage, offset, size, stride, quantizer_params, requires_grad, OrderedDict())` */
  private quantized(value: object, { storage, offset, size, stride }: TensorRef, quantizer: Quantizer): void {
    const params =
      'axis' in quantizer
        ? [QuantizationScheme.of(schemeOf(quantizer)), quantizer.scales, quantizer.zeroPoints, quantizer.axis]
        : [QuantizationScheme.of('per_tensor_affine'), quantizer.scale, quantizer.zeroPoint];
    this.global('torch._utils', '_rebuild_qtensor');
    this.out.byte(op.MARK);
    this.storage(storage);
    this.integer(offset);
    this.integers(size);
    this.integers(stride);
    this.out.byte(op.MARK);
    // The scale is a float, whatever its value.
    for (const [i, param] of params.entries())
      i === 1 && typeof param === 'number' ? this.float(param) : this.save(param);
    this.out.byte(op.TUPLE);
    this.save(false);
    this.global('collections', 'OrderedDict');
    this.out.byte(op.EMPTY_TUPLE);
    this.out.byte(op.REDUCE);
    this.out.byte(op.TUPLE);
    this.out.byte(op.REDUCE);
    this.put(value);
  }

  /** `_rebuild_nested_tensor(buffer, sizes, strides, storage_offsets)` */
  private nested(value: object, { buffer, sizes, strides, offsets }: NestedRef): void {
    this.call(value, 'torch._utils', '_rebuild_nested_tensor', [buffer, sizes, strides, offsets]);
  }

  /** `_rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad)` */
  private meta(value: object, { dtype, size, stride, traits }: MetaRef): void {
    const args = [TorchDType.of(dtype), Object.freeze([...size]), Object.freeze([...stride]), traits.requiresGrad];
    this.call(value, 'torch._utils', '_rebuild_meta_tensor_no_storage', args);
  }

  private storage({ dtype, key, location, numel }: StorageRef): void {
    this.out.byte(op.MARK);
    this.text('storage');
    if (dtype === 'untyped') this.global('torch.storage', 'UntypedStorage');
    else if (hasStorageClass(dtype)) this.global('torch', storageClasses[dtype]);
    else throw expected('an untyped storage', `tensors of ${dtype}`, dtype, 'ERR_DTYPE');
    this.text(key);
    this.text(location);
    this.integer(numel);
    this.out.byte(op.TUPLE);
    this.out.byte(op.BINPERSID);
  }

  private integers(values: readonly number[]): void {
    this.out.byte(op.MARK);
    for (const value of values) this.integer(value);
    this.out.byte(op.TUPLE);
  }

  // Plain values

  private text(text: string): void {
    if (this.recall(text)) return;
    const bytes = encodeText(text);
    this.out.byte(op.BINUNICODE);
    this.out.uint32(bytes.length);
    this.out.raw(bytes);
    this.put(text);
  }

  /** Python tells ints from floats; JavaScript's whole numbers are taken for ints. */
  private number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.integer(value);
    else this.float(value);
  }

  private float(value: number): void {
    this.out.byte(op.BINFLOAT);
    this.out.float64(value);
  }

  private integer(value: number): void {
    if (value >= 0 && value < 2 ** 8) {
      this.out.byte(op.BININT1);
      this.out.byte(value);
    } else if (value >= 0 && value < 2 ** 16) {
      this.out.byte(op.BININT2);
      this.out.byte(value & 0xff);
      this.out.byte(value >> 8);
    } else if (value >= -(2 ** 31) && value < 2 ** 31) {
      this.out.byte(op.BININT);
      this.out.uint32(value >>> 0);
    } else {
      this.long(BigInt(value));
    }
  }

  private bigInteger(value: bigint): void {
    if (value >= -(2n ** 31n) && value < 2n ** 31n) this.integer(Number(value));
    else this.long(value);
  }

  private long(value: bigint): void {
    const bytes = encodeLong(value);
    if (bytes.length < 256) {
      this.out.byte(op.LONG1);
      this.out.byte(bytes.length);
    } else {
      this.out.byte(op.LONG4);
      this.out.uint32(bytes.length);
    }
    this.out.raw(bytes);
  }

  private global(module: string, name: string): void {
    const line = `${module}\n${name}\n`;
    const known = this.globals.get(line);
    if (known !== undefined) {
      this.numbered(op.BINGET, op.LONG_BINGET, known);
      return;
    }
    this.out.byte(op.GLOBAL);
    this.out.raw(Buffer.from(line, 'utf8'));
    this.globals.set(line, this.remember());
  }

  // Memo

  private put(value: unknown): void {
    this.memo.set(value, this.remember());
  }

  /** Numbers what is on top of the reader's stack. */
  private remember(): number {
    const id = this.memo.size + this.globals.size;
    this.numbered(op.BINPUT, op.LONG_BINPUT, id);
    return id;
  }

  /** Refers to what was written before; false if it was not. */
  private recall(value: unknown): boolean {
    const id = this.memo.get(value);
    if (id !== undefined) this.numbered(op.BINGET, op.LONG_BINGET, id);
    return id !== undefined;
  }

  private numbered(short: number, long: number, id: number): void {
    this.out.byte(id < 256 ? short : long);
    if (id < 256) this.out.byte(id);
    else this.out.uint32(id);
  }
}

const schemeOf = ({ zeroPoints }: { zeroPoints: TensorRef }) =>
  zeroPoints.dtype.startsWith('float') ? 'per_channel_affine_float_qparams' : 'per_channel_affine';
