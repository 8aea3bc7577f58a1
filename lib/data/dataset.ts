// A data set: tensors that live on a device, whole, whose rows are examples. What a network is given may be of any shape and
// dtype, features, sequences, images (imageDataset.ts); labels are classes. A batch is one gather where the data already is,
// with no worker processes and no copies through JavaScript. A data set never changes; subset, split … give new ones. Its
// tensors stand outside every tidy scope: they live until dispose(), `using` or garbage collection.
import { createHash, type Hash } from 'node:crypto';
import { endianness } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { wholeNumber } from '../arguments.js';
import { expected, IsotorchError } from '../errors.js';
import type { Statistics } from '../known/statistics.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';
import { Snapshot } from '../tensor/snapshot.js';
import { checkLabels } from './labels.js';
import { BatchLoader, type BatchOptions } from './loader.js';
import { partition, type SplitOptions } from './split.js';

/** What training and evaluation ask of a data set. */
export interface Dataset<Labels extends Tensor | null = Tensor | null> {
  readonly name: string;
  /** Its length: how many examples there are. */
  readonly size: number;
  readonly device: Device;
  /** [N, …]: what a network is given, example by example. */
  readonly inputs: Tensor;
  /** int64 [N], classes; int64 [N, …] for several a example; or null. */
  readonly labels: Labels;
  /** What inputs are normalised with by default; undefined where they are taken as they are. */
  readonly statistics?: Statistics | undefined;
  batches(batchSize: number, options?: BatchOptions): BatchLoader<Labels>;
  dispose(): void;
}

export interface TensorDatasetInit<Labels extends Tensor | null> {
  /** [N, …], of any dtype. The data set takes it over. */
  inputs: Tensor;
  /** int64 [N] or [N, …] on the same device, or null. Taken over as well. */
  labels: Labels;
  /** Names of the classes; a label is an index into them. @default '0', '1', … as many as the labels need */
  classes?: readonly string[];
  /** @default 'examples' */
  name?: string;
}

/** Bytes hashed between two turns of the event loop. */
const HASHED = 1 << 20;

/**
 * @throws ERR_DTYPE, ERR_SHAPE, ERR_DEVICE when the tensors don't fit; ERR_DATA for a label that is no class
 * @example
 * const set = new data.TensorDataset({ inputs: torch.randn([100, 16]), labels: torch.randint(3, [100]) });
 * const [train, held] = set.split(0.9);
 */
export class TensorDataset<Labels extends Tensor | null = Tensor | null> implements Dataset<Labels> {
  readonly name: string;
  readonly inputs: Tensor;
  readonly labels: Labels;
  /** The classes' names; empty where there are no labels. */
  readonly classes: readonly string[];
  readonly #labels: Int32Array | null;
  #hash: string | undefined;
  #passes = 0;

  constructor({ inputs, labels, classes, name = 'examples' }: TensorDatasetInit<Labels>, what = 'example') {
    if (inputs.ndim === 0)
      throw new IsotorchError('ERR_SHAPE', `${name}: expected inputs of shape [N, …], received a scalar`);
    if (labels !== null) checkFit(labels, inputs, name, what);
    this.#labels =
      labels === null || labels.ndim > 1 ? null : checkLabels(labels.toArraySync() as BigInt64Array, undefined, name);
    const needed = this.#labels?.reduce((most, label) => Math.max(most, label + 1), 0) ?? 0;
    this.classes = Object.freeze(classes ? [...classes] : Array.from({ length: needed }, (_, i) => String(i)));
    if (this.#labels) checkLabels(this.#labels, this.classes.length, name);
    this.name = name;
    this.inputs = inputs.keep();
    this.labels = labels;
    labels?.keep();
  }

  /** Number of examples. */
  get size(): number {
    return this.inputs.shape[0]!;
  }

  /** Of one example. */
  get shape(): readonly number[] {
    return this.inputs.shape.slice(1);
  }

  get device(): Device {
    return this.inputs.device;
  }

  /** sha256, in hex, of shape, inputs and labels: the same wherever and however they were loaded. Computed once. */
  get contentHash(): string {
    this.#hash ??= this.#finishHash(this.#beginHash().update(bytesOf(this.inputs.toArraySync())));
    return this.#hash;
  }

  /** `contentHash`, computed in pieces that let the event loop turn: for a large set. */
  async hashContent(): Promise<string> {
    if (this.#hash !== undefined) return this.#hash;
    const hash = this.#beginHash();
    using pixels = Snapshot.ofValues(this.inputs);
    for await (const piece of pixels.pieces(HASHED)) {
      hash.update(piece);
      await turn();
    }
    this.#hash = this.#finishHash(hash);
    return this.#hash;
  }

  /** The labels as a JavaScript array (a copy). @throws ERR_DATA for a set without a label an example */
  labelArray(): Int32Array {
    return this.#needLabels('labelArray').slice();
  }

  /** How many examples each class has. @throws ERR_DATA for a set without a label an example */
  classCounts(): number[] {
    const counts = new Array<number>(this.classes.length).fill(0);
    for (const label of this.#needLabels('classCounts')) counts[label]!++;
    return counts;
  }

  /**
   * Some of the examples, copied: those at `indices`, in that order, or those whose label (and index) a predicate takes.
   * @throws ERR_INDEX for an index outside the set; ERR_DATA for a predicate on a set without labels
   * @example const sandals = test.subset((label) => label === 5);
   */
  subset(which: ArrayLike<number> | ((label: number, index: number) => boolean), name = this.name): this {
    if (typeof which === 'function') {
      const labels = this.#needLabels('subset with a predicate');
      const chosen: number[] = [];
      labels.forEach((label, index) => {
        if (which(label, index)) chosen.push(index);
      });
      return this.#at(Int32Array.from(chosen), name);
    }
    const { size } = this;
    const chosen = Int32Array.from({ length: which.length }, (_, i) => {
      const index = which[i]!;
      if (Number.isInteger(index) && index >= 0 && index < size) return index;
      throw new IsotorchError(
        'ERR_INDEX',
        `${this.name}.subset: expected integers from 0 to ${size - 1}, received ${index} at position ${i}`,
      );
    });
    return this.#at(chosen, name);
  }

  /**
   * Only the examples of some classes, relabelled 0, 1, … in the order given: the way to hold classes out.
   * @param keep class indices or names
   * @throws ERR_ARGUMENT for an unknown class or one named twice
   * @example
   * const known = digits.onlyClasses([0, 1, 2, 3, 4, 5, 6]);
   * const unknown = digits.onlyClasses([7, 8, 9]);
   */
  onlyClasses(keep: readonly (number | string)[], name = this.name): this {
    const labels = this.#needLabels('onlyClasses');
    const renamed = new Map<number, number>();
    for (const wanted of keep) {
      const index = typeof wanted === 'string' ? this.classes.indexOf(wanted) : wanted;
      if (!Number.isInteger(index) || !(index in this.classes) || renamed.has(index)) {
        throw expected(`class indices or names, each once, out of ${this.classes.join(', ')}`, 'keep', wanted);
      }
      renamed.set(index, renamed.size);
    }
    const chosen = Int32Array.from(labels.keys()).filter((index) => renamed.has(labels[index]!));
    const relabelled = Int32Array.from(chosen, (index) => renamed.get(labels[index]!)!);
    const classes = [...renamed.keys()].map((index) => this.classes[index]!);
    const tensors = tidy(() => ({
      inputs: this.inputs.indexSelect(0, this.#indices(chosen)),
      labels: this.#indices(relabelled),
    }));
    return this.like({ inputs: tensors.inputs, labels: tensors.labels as Labels, classes, name });
  }

  /** The first `n` examples, or all where there are fewer; copied. */
  take(n: number): this {
    const count = Math.min(wholeNumber(n, 'n', 0), this.size);
    return this.#at(
      Int32Array.from({ length: count }, (_, i) => i),
      this.name,
    );
  }

  /**
   * Divides the set at random into parts that share no example; each part keeps the order of the whole. With labels,
   * every part has every class in the whole's proportion, as nearly as whole examples allow.
   * @param parts a fraction f (gives parts of f and 1 − f) or counts that add up to the size
   * @throws ERR_ARGUMENT for fractions outside (0, 1), counts that don't add up; ERR_DATA for `stratified` without labels
   * @example const [train, validation] = whole.split([55_000, 5_000], { seed: 1 });
   */
  split(parts: number, options?: SplitOptions): [this, this];
  split<const P extends readonly number[]>(parts: P, options?: SplitOptions): { -readonly [K in keyof P]: this };
  split(parts: number | readonly number[], options: SplitOptions = {}): this[] {
    if (options.stratified) this.#needLabels('split with { stratified: true }');
    return partition(this.size, this.#labels, parts, options).map((indices) => this.#at(indices, this.name));
  }

  /** The same set on another device; itself where it is there already. */
  to(device: Device): this {
    if (device === this.device) return this;
    const inputs = this.inputs.to(device);
    if (inputs.device === this.device) {
      if (inputs !== this.inputs) inputs.dispose(); // 'cuda' where it is on 'cuda:0'
      return this;
    }
    return this.like({ inputs, labels: (this.labels?.to(device) ?? null) as Labels });
  }

  /** The same inputs and labels under another name; shares the tensors' memory. */
  named(name: string): this {
    return this.like({ inputs: this.inputs.alias(), name });
  }

  /**
   * Batches of the set: an iterable that gathers each when it is asked for. See `BatchOptions` and `Batch`.
   * @example
   * for (const { inputs, labels } of train.batches(128, { shuffle: true, seed: 1, epoch })) { … }
   */
  batches(batchSize: number, options: BatchOptions = {}): BatchLoader<Labels> {
    return new BatchLoader(
      this as Dataset<Labels> & { shape: readonly number[] },
      batchSize,
      options,
      () => this.#passes++,
    );
  }

  /** Frees the tensors. Data sets made from this one have tensors of their own and live on. */
  dispose(): void {
    this.inputs.dispose();
    this.labels?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    const classes = this.#labels ? `, ${this.classes.length} classes` : ', no labels';
    return `${this.name}: ${this.size} examples of ${this.shape.join('×')}${classes}, on ${this.device}`;
  }

  /** A set of the same kind with other tensors; what is left out is this one's, labels as an alias. */
  protected like({ inputs, labels, classes, name }: Partial<TensorDatasetInit<Labels>> & { inputs: Tensor }): this {
    const same = (labels === undefined ? (this.labels?.alias() ?? null) : labels) as Labels;
    return this.make({ inputs, labels: same, classes: classes ?? this.classes, name: name ?? this.name }) as this;
  }

  protected make(init: TensorDatasetInit<Labels>): TensorDataset<Labels> {
    return new TensorDataset(init);
  }

  #beginHash(): Hash {
    return createHash('sha256').update(`${this.inputs.dtype} [${this.inputs.shape.join(', ')}]\n`);
  }

  #finishHash(hash: Hash): string {
    const labels = this.#labels ?? this.labels?.toArraySync();
    if (labels) hash.update('labels\n').update(bytesOf(labels));
    return hash.digest('hex');
  }

  #needLabels(caller: string): Int32Array {
    if (this.#labels) return this.#labels;
    throw new IsotorchError('ERR_DATA', `${this.name}: expected a set with labels for ${caller}; this one has none`);
  }

  #indices(chosen: Int32Array): Tensor {
    return torch.fromBuffer(chosen, { dtype: 'int32', shape: [chosen.length], device: this.device }).to('int64');
  }

  #at(chosen: Int32Array, name: string): this {
    const tensors = tidy(() => {
      const index = this.#indices(chosen);
      return { inputs: this.inputs.indexSelect(0, index), labels: this.labels?.indexSelect(0, index) ?? null };
    });
    return this.like({ inputs: tensors.inputs, labels: tensors.labels as Labels, name });
  }
}

function checkFit(labels: Tensor, inputs: Tensor, name: string, what: string): void {
  if (labels.dtype !== 'int64') {
    throw new IsotorchError('ERR_DTYPE', `${name}: expected labels of dtype int64, received ${labels.dtype}`);
  }
  if (labels.ndim < 1 || labels.shape[0] !== inputs.shape[0] || (what === 'image' && labels.ndim > 1)) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `${name}: expected one label an ${what}, [${inputs.shape[0]}], received [${labels.shape.join(', ')}]`,
    );
  }
  if (labels.device !== inputs.device) {
    throw new IsotorchError(
      'ERR_DEVICE',
      `${name}: expected labels on ${inputs.device}, where the ${what}s are, received ${labels.device}`,
    );
  }
}

/** Of a typed array, low byte first. */
function bytesOf(values: object): Uint8Array {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: size } = values as Int32Array;
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  if (endianness() === 'LE' || size === 1) return bytes;
  const swapped = Buffer.from(bytes);
  return size === 2 ? swapped.swap16() : size === 4 ? swapped.swap32() : swapped.swap64();
}
