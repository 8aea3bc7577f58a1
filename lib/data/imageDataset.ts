// Images and labels: uint8 pixels [N, channels, height, width] and int64 labels [N], the kind of data set that most networks
// here are trained on. MNIST's 60,000 images are 47 MB so, CIFAR's 154 MB.

import { wholeNumber } from '../arguments.js';
import { IsotorchError } from '../errors.js';
import { type Device, type Tensor, tidy, torch } from '../tensor/index.js';
import { flattenImages, type NestedImages } from './arrays.js';
import { TensorDataset, type TensorDatasetInit } from './dataset.js';
import type { ImageShape } from './imageShape.js';
import { checkLabels } from './labels.js';
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

export class ImageDataset<Labels extends Tensor | null = Tensor | null> extends TensorDataset<Labels> {
  readonly #given: Statistics | undefined;
  #measured: Statistics | undefined;

  /**
   * From tensors, which the data set takes over. Use `ImageDataset.fromArrays` for JavaScript arrays.
   * @throws ERR_DTYPE, ERR_SHAPE, ERR_DEVICE when the tensors don't fit; ERR_DATA for a label that is no class
   */
  constructor({ images, name = 'images', statistics, ...rest }: DatasetInit<Labels>) {
    if (images.dtype !== 'uint8') {
      throw new IsotorchError('ERR_DTYPE', `${name}: expected images of dtype uint8, received ${images.dtype}`);
    }
    if (images.ndim !== 4 || images.shape.slice(1).some((size) => size < 1)) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `${name}: expected images of shape [N, channels, height, width], received [${images.shape.join(', ')}]`,
      );
    }
    if (statistics) checkStatistics(statistics, images.shape[1]!);
    super({ inputs: images, name, ...rest }, 'image');
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

  /** uint8 [N, channels, height, width]. */
  get images(): Tensor {
    return this.inputs;
  }

  /** [channels, height, width]. */
  override get shape(): ImageShape {
    const [, channels, height, width] = this.inputs.shape;
    return [channels!, height!, width!];
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

  /**
   * All images at another size, by bilinear interpolation with pixel centres at half integers (PyTorch's
   * `interpolate(mode='bilinear', align_corners=False)`), rounded to uint8.
   * @param options.antialias average over all source pixels when shrinking, as PIL does. @default true
   */
  resize(height: number, width: number, { antialias = true }: { antialias?: boolean } = {}): this {
    const size = [wholeNumber(height, 'height', 1, 65_536), wholeNumber(width, 'width', 1, 65_536)];
    if (height === this.shape[1] && width === this.shape[2]) return this.like({ inputs: this.images.clone() });
    const shrinks = height < this.shape[1] || width < this.shape[2];
    return this.like({
      inputs: this.mapChunks((chunk) => {
        const float = chunk.to('float32');
        const resized =
          antialias && shrinks
            ? torch._upsampleBilinear2dAa(float, size, false)
            : torch.upsampleBilinear2d(float, size, false);
        return resized.round_().clamp_(0, 255).to('uint8');
      }),
    });
  }

  /** The same pixels without labels; shares their memory. For a set that stands for the unknown. */
  unlabelled(name = this.name): ImageDataset<null> {
    return new ImageDataset({ images: this.images.alias(), labels: null, name, ...this.#statistics() });
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

  override toString(): string {
    return super.toString().replace(' examples of ', ' images of ');
  }

  protected override make({ inputs: images, ...init }: TensorDatasetInit<Labels>): ImageDataset<Labels> {
    return new ImageDataset({ images, ...init, ...this.#statistics() });
  }

  #statistics(): { statistics?: Statistics } {
    return this.#given ? { statistics: this.#given } : {};
  }
}
