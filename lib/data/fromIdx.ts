// A data set from IDX files of one's own: USPS, EMNIST, or a private set in MNIST's format.
import { types } from 'node:util';
import { IsotorchError } from '../errors.js';
import type { Device, Tensor } from '../tensor/index.js';
import { readIdx } from './idx.js';
import { ImageDataset } from './imageDataset.js';
import { checkLabels } from './labels.js';
import type { Statistics } from './statistics.js';

export interface IdxOptions {
  /** Path of uint8 images [N, height, width] or [N, channels, height, width], plain or gzipped. */
  images: string;
  /** Path of labels [N] of any integer type. */
  labels?: string;
  classes?: readonly string[];
  /** @default the images' path */
  name?: string;
  statistics?: Statistics;
  /** @default 'cpu' */
  device?: Device;
}

/**
 * @throws ERR_FILE, ERR_FORMAT for a file that can't be read or is no IDX; ERR_SHAPE when sizes don't fit; ERR_DATA for
 *   labels that are no classes
 * @example const usps = await fromIdx({ images: 'usps/t10k-images-idx3-ubyte.gz', labels: 'usps/t10k-labels-idx1-ubyte.gz' });
 */
export function fromIdx(options: IdxOptions & { labels: string }): Promise<ImageDataset<Tensor>>;
export function fromIdx(options: IdxOptions & { labels?: undefined }): Promise<ImageDataset<null>>;
export async function fromIdx({ images, labels, device = 'cpu', ...rest }: IdxOptions): Promise<ImageDataset> {
  const name = rest.name ?? images;
  const pixels = await readIdx(images);
  if (!types.isUint8Array(pixels.data)) {
    throw new IsotorchError('ERR_DTYPE', `${images}: expected images of uint8, received ${pixels.dtype}`);
  }
  const table = labels === undefined ? undefined : await readIdx(labels);
  const checked = table && checkLabels(table.data, rest.classes?.length, labels!);
  if (table && (table.shape.length !== 1 || table.shape[0] !== pixels.shape[0])) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `${labels}: expected one label an image, [${pixels.shape[0]}], received [${table.shape.join(', ')}]`,
    );
  }
  return ImageDataset.fromArrays({
    ...rest,
    name,
    images: pixels.data,
    shape: pixels.shape,
    labels: checked ?? null,
    device,
  });
}
