// Images and labels that live on a device, whole: uint8 pixels [N, channels, height, width] and int64 labels [N].
// MNIST's 60,000 images are 47 MB so, CIFAR's 154 MB, and a batch is one gather where the data already is, with no
// worker processes and no copies through JavaScript. A data set never changes; subset, split, resize, to … give new ones.
// Its tensors stand outside every tidy scope: they live until dispose(), `using` or garbage collection.
import { createHash, type Hash } from 'node:crypto';
import { endianness } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { expected, IsotorchError } from '../errors.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';
import { Snapshot } from '../tensor/snapshot.js';
import { type ImageShape, integer } from './arguments.js';
import { flattenImages, type NestedImages } from './arrays.js';
import { checkLabels } from './labels.js';
import { BatchLoader, type BatchOptions } from './loader.js';
import { partition, type SplitOptions } from './split.js';
import { checkStatistics, type Statistics, statisticsOfCounts } from './statistics.js';

export interface DatasetInit<Labels extends Tensor | null> {
  /** uint8 [N, channels, height, width]. The data set takes it over. */
  images: Tensor;
  /** int64 [N] on the same device, or null. Taken over as well. */
  labels: Labels;
  /** Names of the classes; a label is an index into them. @default '0', '1', … as many as the labels need */
  classes?: readonly string[];
  /** @default 'images' */
  name?: string;
  /** Means and deviations to normalise with. @default measured from the pixels when first asked for */
  statistics?: Statistics;
}

export interface ArraysInit {
  /** Pixels 0 … 255: flat with `shape`, or nested [N][height][width] or [N][channels][height][width]. */
  images: Uint8Array | NestedImages;
  /** A class index for each image. @default null, no labels */
  labels?: ArrayLike<number | bigint> | null;
  /** [N, channels, height, width] or [N, height, width] of a flat array. */
  shape?: readonly number[];
  classes?: readonly string[];
  name?: string;
  statistics?: Statistics;
  /** @default 'cpu' */
  device?: Device;
}

/** Chunk in which whole-set conversions run, to bound their float32 intermediates. */
const CHUNK = 2048;
/** Bytes hashed between two turns of the event loop. */
const HASHED = 1 << 20;

export class ImageDataset<Labels extends Tensor | null = Tensor | null> {
  readonly name: string;
  /** uint8 [N, channels, height, width]. */
  readonly images: Tensor;
  /** int64 [N], or null for a set without classes, such as noise. */
  readonly labels: Labels;
  /** The classes' names; empty where there are no labels. */
  readonly classes: readonly string[];
  readonly #given: Statistics | undefined;
  readonly #labels: Int32Array | null;
  #measured: Statistics | undefined;
  #hash: string | undefined;
  #passes = 0;

  /**
   * From tensors, which the data set takes over. Use `ImageDataset.fromArrays` for JavaScript arrays.
   * @throws ERR_DTYPE, ERR_SHAPE, ERR_DEVICE when the tensors don't fit; ERR_DATA for a label that is no class
   */
  constructor({ images, labels, classes, name = 'images', statistics }: DatasetInit<Labels>) {
    if (images.dtype !== 'uint8') {
      throw new IsotorchError('ERR_DTYPE', `${name}: expected images of dtype uint8, received ${images.dtype}`);
    }
    if (images.ndim !== 4 || images.shape.slice(1).some((size) => size < 1)) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `${name}: expected images of shape [N, channels, height, width], received [${images.shape.join(', ')}]`,
      );
    }
    this.#labels = labels === null ? null : readLabels(labels, images, name);
    const needed = this.#labels?.reduce((most, label) => Math.max(most, label + 1), 0) ?? 0;
    this.classes = Object.freeze(classes ? [...classes] : Array.from({ length: needed }, (_, i) => String(i)));
    if (this.#labels) checkLabels(this.#labels, this.classes.length, name);
    if (statistics) checkStatistics(statistics, images.shape[1]!);
    this.name = name;
    this.images = images.keep();
    this.labels = labels;
    labels?.keep();
    this.#given = statistics;
  }

  /**
   * From JavaScript arrays.
   * @throws ERR_SHAPE when sizes don't fit; ERR_DATA, naming index and value, for a pixel that is no integer from 0 to
   *   255 and for a label that is NaN, negative, fractional or no class
   * @example
   * const set = ImageDataset.fromArrays({ images: [[[0, 255], [255, 0]]], labels: [1], classes: ['cross', 'slash'] });
   */
  static fromArrays(init: ArraysInit & { labels: ArrayLike<number | bigint> }): ImageDataset<Tensor>;
  static fromArrays(init: ArraysInit & { labels?: null }): ImageDataset<null>;
  static fromArrays(init: ArraysInit): ImageDataset;
  static fromArrays({ images, labels = null, shape, device = 'cpu', ...rest }: ArraysInit): ImageDataset {
    const name = rest.name ?? 'images';
    const flat = flattenImages(images, shape, name);
    const checked = labels === null ? null : checkLabels(labels, rest.classes?.length, name);
    if (checked && checked.length !== flat.shape[0]) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `${name}: expected one label an image, received ${checked.length} labels for ${flat.shape[0]} images`,
      );
    }
    const tensors = tidy(() => ({
      images: torch.fromBuffer(flat.pixels, { dtype: 'uint8', shape: [...flat.shape], device }),
      labels: checked && torch.fromBuffer(checked, { dtype: 'int32', shape: [checked.length], device }).to('int64'),
    }));
    return new ImageDataset({ ...rest, ...tensors });
  }

  /** Number of images. */
  get size(): number {
    return this.images.shape[0]!;
  }

  /** [channels, height, width]. */
  get shape(): ImageShape {
    const [, channels, height, width] = this.images.shape;
    return [channels!, height!, width!];
  }

  get device(): Device {
    return this.images.device;
  }

  /** Given ones (named sets bring theirs), else those of these pixels, measured once. In units of full scale. */
  get statistics(): Statistics {
    if (this.#given) return this.#given;
    this.#measured ??= tidy(() => {
      const channels = Array.from({ length: this.shape[0] }, (_, channel) => {
        const counts = torch.bincount(this.images.select(1, channel).flatten(), null, 256);
        return statisticsOfCounts(Array.from(counts.toArraySync(), Number));
      });
      return { mean: channels.map(({ mean }) => mean), std: channels.map(({ std }) => std) };
    });
    return this.#measured;
  }

  /** sha256, in hex, of shape, pixels and labels: the same wherever and however they were loaded. Computed once. */
  get contentHash(): string {
    this.#hash ??= this.#finishHash(this.#beginHash().update(this.images.toArraySync() as Uint8Array));
    return this.#hash;
  }

  /** `contentHash`, computed in pieces that let the event loop turn: for a large set. */
  async hashContent(): Promise<string> {
    if (this.#hash !== undefined) return this.#hash;
    const hash = this.#beginHash();
    using pixels = Snapshot.ofValues(this.images);
    for await (const piece of pixels.pieces(HASHED)) {
      hash.update(piece);
      await turn();
    }
    this.#hash = this.#finishHash(hash);
    return this.#hash;
  }

  /** The labels as a JavaScript array (a copy). @throws ERR_DATA for a set without labels */
  labelArray(): Int32Array {
    return this.#needLabels('labelArray').slice();
  }

  /** How many images each class has. @throws ERR_DATA for a set without labels */
  classCounts(): number[] {
    const counts = new Array<number>(this.classes.length).fill(0);
    for (const label of this.#needLabels('classCounts')) counts[label]!++;
    return counts;
  }

  /**
   * Some of the images, copied: those at `indices`, in that order, or those whose label (and index) a predicate takes.
   * @throws ERR_INDEX for an index outside the set; ERR_DATA for a predicate on a set without labels
   * @example const sandals = test.subset((label) => label === 5);
   */
  subset(
    which: ArrayLike<number> | ((label: number, index: number) => boolean),
    name = this.name,
  ): ImageDataset<Labels> {
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
   * Only the images of some classes, relabelled 0, 1, … in the order given: the way to hold classes out.
   * @param keep class indices or names
   * @throws ERR_ARGUMENT for an unknown class or one named twice
   * @example
   * const known = digits.onlyClasses([0, 1, 2, 3, 4, 5, 6]);
   * const unknown = digits.onlyClasses([7, 8, 9]);
   */
  onlyClasses(keep: readonly (number | string)[], name = this.name): ImageDataset<Tensor> {
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
      images: this.images.indexSelect(0, this.#indices(chosen)),
      labels: torch
        .fromBuffer(relabelled, { dtype: 'int32', shape: [relabelled.length], device: this.device })
        .to('int64'),
    }));
    return new ImageDataset({ ...tensors, classes, name, ...this.#inherited() });
  }

  /** The first `n` images, or all where there are fewer; copied. */
  take(n: number): ImageDataset<Labels> {
    const count = Math.min(integer(n, 'n'), this.size);
    return this.#at(
      Int32Array.from({ length: count }, (_, i) => i),
      this.name,
    );
  }

  /**
   * Divides the set at random into parts that share no image; each part keeps the order of the whole. With labels,
   * every part has every class in the whole's proportion, as nearly as whole images allow.
   * @param parts a fraction f (gives parts of f and 1 − f) or counts that add up to the size
   * @throws ERR_ARGUMENT for fractions outside (0, 1), counts that don't add up; ERR_DATA for `stratified` without labels
   * @example const [train, validation] = whole.split([55_000, 5_000], { seed: 1 });
   */
  split(parts: number, options?: SplitOptions): [ImageDataset<Labels>, ImageDataset<Labels>];
  split<const P extends readonly number[]>(
    parts: P,
    options?: SplitOptions,
  ): { -readonly [K in keyof P]: ImageDataset<Labels> };
  split(parts: number | readonly number[], options: SplitOptions = {}): ImageDataset<Labels>[] {
    if (options.stratified) this.#needLabels('split with { stratified: true }');
    return partition(this.size, this.#labels, parts, options).map((indices) => this.#at(indices, this.name));
  }

  /**
   * All images at another size, by bilinear interpolation with pixel centres at half integers (PyTorch's
   * `interpolate(mode='bilinear', align_corners=False)`), rounded to uint8.
   * @param options.antialias average over all source pixels when shrinking, as PIL does. @default true
   */
  resize(height: number, width: number, { antialias = true }: { antialias?: boolean } = {}): ImageDataset<Labels> {
    const size = [integer(height, 'height', 1, 65_536), integer(width, 'width', 1, 65_536)];
    if (height === this.shape[1] && width === this.shape[2]) return this.#with(this.images.clone());
    const shrinks = height < this.shape[1] || width < this.shape[2];
    return this.#with(
      this.mapChunks((chunk) => {
        const float = chunk.to('float32');
        const resized =
          antialias && shrinks
            ? torch._upsampleBilinear2dAa(float, size, false)
            : torch.upsampleBilinear2d(float, size, false);
        return resized.round_().clamp_(0, 255).to('uint8');
      }),
    );
  }

  /** The same set on another device; itself where it is there already. */
  to(device: Device): ImageDataset<Labels> {
    if (device === this.device) return this;
    const images = this.images.to(device);
    if (images.device === this.device) {
      if (images !== this.images) images.dispose(); // 'cuda' where it is on 'cuda:0'
      return this;
    }
    return this.#with(images, (this.labels?.to(device) ?? null) as Labels);
  }

  /** The same pixels and labels under another name; shares the tensors' memory. */
  named(name: string): ImageDataset<Labels> {
    return this.#with(this.images.alias(), undefined, name);
  }

  /** The same pixels without labels; shares their memory. For a set that stands for the unknown. */
  unlabelled(name = this.name): ImageDataset<null> {
    return new ImageDataset({ images: this.images.alias(), labels: null, name, ...this.#inherited() });
  }

  /**
   * Batches of the set: an iterable that gathers each when it is asked for. See `BatchOptions` and `Batch`.
   * @example
   * for (const { images, labels } of train.batches(128, { shuffle: true, seed: 1, epoch })) { … }
   */
  batches(batchSize: number, options: BatchOptions = {}): BatchLoader<Labels> {
    return new BatchLoader(this, batchSize, options, () => this.#passes++);
  }

  /** Applies a function to chunks of the images and joins the results: for conversions of a whole set. */
  mapChunks(convert: (chunk: Tensor) => Tensor): Tensor {
    return tidy(() => {
      const done: Tensor[] = [];
      for (let start = 0; start < Math.max(this.size, 1); start += CHUNK) {
        done.push(tidy(() => convert(this.images.narrow(0, start, Math.min(CHUNK, this.size - start)))));
      }
      return done.length === 1 ? done[0]! : torch.cat(done, 0);
    });
  }

  /** Frees the tensors. Data sets made from this one have tensors of their own and live on. */
  dispose(): void {
    this.images.dispose();
    this.labels?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    const classes = this.#labels ? `, ${this.classes.length} classes` : ', no labels';
    return `${this.name}: ${this.size} images of ${this.shape.join('×')}${classes}, on ${this.device}`;
  }

  #beginHash(): Hash {
    return createHash('sha256').update(`uint8 [${this.images.shape.join(', ')}]\n`);
  }

  #finishHash(hash: Hash): string {
    if (this.#labels) hash.update('labels\n').update(littleEndian(this.#labels));
    return hash.digest('hex');
  }

  #needLabels(caller: string): Int32Array {
    if (this.#labels) return this.#labels;
    throw new IsotorchError('ERR_DATA', `${this.name}: expected a set with labels for ${caller}; this one has none`);
  }

  #indices(chosen: Int32Array): Tensor {
    return torch.fromBuffer(chosen, { dtype: 'int32', shape: [chosen.length], device: this.device }).to('int64');
  }

  #at(chosen: Int32Array, name: string): ImageDataset<Labels> {
    const tensors = tidy(() => {
      const index = this.#indices(chosen);
      return { images: this.images.indexSelect(0, index), labels: this.labels?.indexSelect(0, index) ?? null };
    });
    return this.#with(tensors.images, tensors.labels as Labels, name);
  }

  #with(images: Tensor, labels?: Labels, name = this.name): ImageDataset<Labels> {
    const same = (labels === undefined ? (this.labels?.alias() ?? null) : labels) as Labels;
    return new ImageDataset({ images, labels: same, classes: this.classes, name, ...this.#inherited() });
  }

  #inherited(): { statistics?: Statistics } {
    return this.#given ? { statistics: this.#given } : {};
  }
}

function readLabels(labels: Tensor, images: Tensor, name: string): Int32Array {
  if (labels.dtype !== 'int64') {
    throw new IsotorchError('ERR_DTYPE', `${name}: expected labels of dtype int64, received ${labels.dtype}`);
  }
  if (labels.ndim !== 1 || labels.shape[0] !== images.shape[0]) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `${name}: expected one label an image, [${images.shape[0]}], received [${labels.shape.join(', ')}]`,
    );
  }
  if (labels.device !== images.device) {
    throw new IsotorchError(
      'ERR_DEVICE',
      `${name}: expected labels on ${images.device}, where the images are, received ${labels.device}`,
    );
  }
  return checkLabels(labels.toArraySync() as BigInt64Array, undefined, name);
}

function littleEndian(values: Int32Array): Uint8Array {
  const bytes = Buffer.from(values.slice().buffer);
  return endianness() === 'LE' ? bytes : bytes.swap32();
}
