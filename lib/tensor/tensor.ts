// The tensor: a number in the native table, in a small class. Its hundreds of operators are methods too, installed
// from the running LibTorch's schemas (operators.ts) and typed by the generated interface TensorOperators.

import { inspect } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import type { TensorOperators } from '../generated/operators.js';
import { type Handle, native } from '../native.js';
import { dependsOn } from './capture/recording.js';
import type { ComposedMethods } from './composed/index.js';
import { type Device, type DType, isFloating, type Layout, type Scalar, type TypedArray } from './dtype.js';
import { type GradientHook, type HookHandle, hooksNow, registerHook } from './gradientHooks.js';
import type { Conversion, Indexing, Properties, Sequence } from './members/index.js';
import { repr } from './print/repr.js';
import { depth } from './scope.js';

/** The net under everything that no scope and no dispose() frees. Finalizers run late: see docs/memory.md. */
const finalizers = new FinalizationRegistry<Handle>((handle) => native.release(handle));

export type NestedArray<T> = T | NestedArray<T>[];

/** `Tensor float32 [2, 3]`: what it is in a few words, for messages. Never throws. */
export const summary = (tensor: Tensor): string =>
  tensor.isDisposed ? 'disposed Tensor' : `Tensor ${native.inWords(tensor.handle)}`;

export interface Tensor extends TensorOperators, ComposedMethods, Conversion, Indexing, Properties, Sequence {}

/**
 * A multi-dimensional array on a device, as `torch.Tensor`. Made by factories (`torch.tensor`, `torch.randn`, …) and
 * operators, not by `new`.
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the operators are installed on the prototype by operators.ts
export class Tensor {
  /** @internal The native table's number. */
  handle: Handle;

  /** @internal */
  constructor(handle: Handle) {
    this.handle = handle;
    if (depth === 0) finalizers.register(this, handle, this);
  }

  /** @internal Called when the scope that would have freed it has let it go. */
  finalizeWithCollector(): void {
    finalizers.unregister(this);
    finalizers.register(this, this.handle, this);
  }

  get shape(): readonly number[] {
    return native.shape(this.handle);
  }

  get ndim(): number {
    return native.ndim(this.handle);
  }

  get dtype(): DType {
    return native.dtype(this.handle) as DType;
  }

  /** How its elements lie in memory: `strided`, or one of the sparse layouts; undefined for another, such as MKL-DNN's. */
  get layout(): Layout | undefined {
    return native.layout(this.handle) as Layout | undefined;
  }

  get device(): Device {
    return native.device(this.handle) as Device;
  }

  get isDisposed(): boolean {
    return !native.isAlive(this.handle);
  }

  get requiresGrad(): boolean {
    return native.requiresGrad(this.handle);
  }

  /** @throws ERR_AUTOGRAD for tensors that are results of recorded operators or of an integer dtype. */
  set requiresGrad(value: boolean) {
    if (typeof value !== 'boolean') throw expected('a boolean', 'requiresGrad', value);
    native.setRequiresGrad(this.handle, value);
  }

  /** The gradient that backward() has added up here; null before. Setting it checks shape, dtype and device. */
  get grad(): Tensor | null {
    const handle = native.getGrad(this.handle);
    return handle === null ? null : new Tensor(handle);
  }

  set grad(gradient: Tensor | null) {
    if (gradient !== null && !(gradient instanceof Tensor)) throw expected('a Tensor or null', 'grad', gradient);
    native.setGrad(this.handle, gradient === null ? null : gradient.handle);
  }

  /** Number of elements. */
  numel(): number {
    return native.numel(this.handle);
  }

  /** How many elements to move in memory for one step along each dimension, or along `dim` (`Tensor.stride`). */
  stride(): number[];
  stride(dim: number): number;
  stride(dim?: number): number[] | number {
    const strides = native.stride(this.handle);
    if (dim === undefined) return strides;
    const stride = Number.isInteger(dim) ? strides.at(dim) : undefined;
    if (stride === undefined || dim < -strides.length)
      throw expected(`a dimension of ${strides.length}`, 'dim', dim, 'ERR_INDEX');
    return stride;
  }

  /** Where in its storage it begins, in elements. */
  storageOffset(): number {
    return native.storageOffset(this.handle);
  }

  /** Whether its elements lie in memory in row-major order without gaps. */
  isContiguous(): boolean {
    return native.isContiguous(this.handle);
  }

  /**
   * The value of a tensor of one element. int64 comes as a number when it is safe and as a bigint else, bool as a boolean:
   * `x.item<boolean>()`. On an accelerator this waits for all work before it.
   * @throws ERR_SHAPE if there is not exactly one element.
   */
  item<Value extends Scalar = number>(): Value {
    return native.item(this.handle) as Value;
  }

  /**
   * All elements as they are at the call, flat and row-major, without blocking the event loop. float16, bfloat16 and uint16 come as their
   * bits in a Uint16Array, bool and float8 in a Uint8Array, int64 in a BigInt64Array, complex numbers as pairs.
   */
  async toArray(): Promise<TypedArray> {
    return await native.toArray(this.handle);
  }

  /** The same at once, on this thread. */
  toArraySync(): TypedArray {
    return native.toArraySync(this.handle);
  }

  /**
   * Nested arrays of numbers, as `tensor.tolist()`; booleans for bool, bigints where an int64 is not a safe number. Where you
   * know what comes, say it: `x.tolist<number[][]>()`.
   */
  tolist<T = NestedArray<number | bigint | boolean>>(): T {
    const { shape, dtype } = this;
    if (dtype.startsWith('complex'))
      throw new IsotorchError(
        'ERR_DTYPE',
        `tolist: expected real numbers but received ${dtype}; use torch.viewAsReal() first`,
      );
    const readable = isFloating(dtype) && dtype !== 'float32' && dtype !== 'float64' ? this.to('float32') : this;
    let flat: TypedArray;
    try {
      flat = native.toArraySync(readable.handle);
    } finally {
      if (readable !== this) readable.dispose();
    }
    const value = (i: number): number | bigint | boolean => {
      const item = flat[i]!;
      if (dtype === 'bool') return item !== 0;
      return typeof item === 'bigint' && item >= Number.MIN_SAFE_INTEGER && item <= Number.MAX_SAFE_INTEGER
        ? Number(item)
        : item;
    };
    const nest = (dimension: number, offset: number, count: number): NestedArray<number | bigint | boolean> => {
      if (dimension === shape.length) return value(offset);
      const size = shape[dimension]!;
      const step = size === 0 ? 0 : count / size;
      return Array.from({ length: size }, (_, i) => nest(dimension + 1, offset + i * step, step));
    };
    return nest(0, 0, flat.length) as T;
  }

  /** The memory this tensor views: equal ids are the same memory. `toBytes()` copies all of it. */
  storage(): { id: bigint; nbytes: number; toBytes(): Uint8Array } {
    return { ...native.storageInfo(this.handle), toBytes: () => native.storageBytes(this.handle) };
  }

  /**
   * Adds the gradients of this tensor to `.grad` of the leaves it was computed from (`Tensor.backward`).
   * @param gradient of this tensor's shape; needed unless it has one element.
   * @throws ERR_AUTOGRAD if nothing recorded leads here, or the graph was freed by an earlier backward().
   */
  backward(
    gradient?: Tensor | null,
    options: { retainGraph?: boolean; createGraph?: boolean; inputs?: readonly Tensor[] } = {},
  ): void {
    if (gradient !== undefined && gradient !== null && !(gradient instanceof Tensor))
      throw expected('a Tensor', 'gradient', gradient);
    const { createGraph = false, retainGraph = createGraph, inputs = [] } = options;
    dependsOn(hooksNow);
    native.backward(
      Float64Array.of(this.handle),
      Float64Array.of(gradient?.handle ?? 0),
      retainGraph,
      createGraph,
      Float64Array.from(inputs, (tensor) => tensor.handle),
    );
  }

  /**
   * Calls `hook` with this tensor's gradient when backward() has computed it; what it gives, if anything, takes the
   * gradient's place (`Tensor.register_hook`). In a captured step it is recorded too, and may then not read values; hooks on
   * parameters that come or go let the step record anew.
   * @throws ERR_AUTOGRAD for a tensor that requires no gradient; ERR_CAPTURE within a step for a tensor from outside of it
   * @example const handle = x.registerHook((gradient) => gradient.clamp(-1, 1)); …; handle.remove();
   */
  registerHook(hook: GradientHook): HookHandle {
    return registerHook(this, hook);
  }

  /** Takes it out of every tidy scope: it lives until dispose() or until nothing refers to it. Returns itself. */
  keep(): this {
    native.keep(this.handle);
    if (depth > 0) this.finalizeWithCollector();
    return this;
  }

  /** Frees it now. Using it later throws ERR_TENSOR_DISPOSED; disposing twice does nothing. */
  dispose(): void {
    native.release(this.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** This object holds `other`'s tensor from now on, and is kept; `other` stays usable and is the same tensor. */
  replace_(other: Tensor): this {
    if (!(other instanceof Tensor)) throw expected('a Tensor', 'other', other);
    if (other.handle === this.handle) return this;
    const handle = native.alias(other.handle);
    native.keep(handle);
    native.release(this.handle);
    this.handle = handle;
    this.finalizeWithCollector();
    return this;
  }

  /** The text that Python's PyTorch prints for it, see `torch.setPrintOptions`. Never throws. */
  toString(): string {
    return this.isDisposed ? 'Tensor (disposed)' : repr(this.handle);
  }

  [inspect.custom](): string {
    return this.toString();
  }

  /**
   * In text the tensor prints; where JavaScript wants a number (`Number(t)`, `t + 1`, `t > 0`), one of a single element
   * gives it.
   * @throws ERR_ARGUMENT for more elements: operators are methods, `t.add(1)`.
   */
  [Symbol.toPrimitive](hint: string): string | number | bigint | boolean {
    return hint === 'string' ? this.toString() : single(this, 'a number', 'operators are methods: t.add(1), t.gt(0)');
  }

  /** The value of a tensor of one element, for `JSON.stringify`. @throws ERR_ARGUMENT for more elements */
  toJSON(): number | boolean {
    const value = single(this, 'JSON', 'tolist() gives nested arrays, checkpoint.saveSafetensors() a file');
    if (typeof value !== 'bigint') return value;
    throw new IsotorchError('ERR_ARGUMENT', `JSON has no integers of the size of ${value}; use String(t.item())`);
  }
}

/** The value of a tensor that has one, where JavaScript wants it. */
function single(tensor: Tensor, wanted: string, advice: string): number | bigint | boolean {
  const { handle } = tensor;
  const real = !native.dtype(handle).startsWith('complex');
  if (real && native.numel(handle) === 1) return native.item(handle) as number | bigint | boolean;
  throw new IsotorchError(
    'ERR_ARGUMENT',
    `Expected a tensor of one real number for ${wanted} but received ${summary(tensor)}; ${advice}`,
  );
}

/** A tensor's own leaf: the tensor itself where it is one, else a detached alias of its memory. */
function leafOf(data: Tensor): Handle {
  if (!(data instanceof Tensor)) throw expected('a Tensor', 'data', data);
  const leaf = data.isLeaf ? data.handle : data.detach().handle;
  native.keep(leaf);
  finalizers.unregister(data); // whoever holds the parameter holds the tensor
  return leaf;
}

/**
 * A tensor that a module learns (`nn.Parameter`). It *is* the tensor that it was made from: same memory, same life,
 * outside every tidy scope.
 */
export class Parameter extends Tensor {
  constructor(data: Tensor, requiresGrad = true) {
    super(leafOf(data));
    if (depth > 0) this.finalizeWithCollector();
    if (this.requiresGrad !== requiresGrad) this.requiresGrad = requiresGrad;
  }

  override toString(): string {
    return this.isDisposed ? 'Parameter (disposed)' : `Parameter containing:\n${super.toString()}`;
  }
}

/** A tensor that belongs to a module's state but is not learnt (`nn.Buffer`). */
export class Buffer extends Tensor {
  constructor(
    data: Tensor,
    /** Whether it is part of the state dict. */
    readonly persistent = true,
  ) {
    super(leafOf(data));
    if (depth > 0) this.finalizeWithCollector();
  }
}
