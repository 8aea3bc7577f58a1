// A data set from NumPy's files, in which CIFAR-10-C and many sets of one's own come.
import { loadNpy } from '../checkpoint/index.js';
import { expected, IsotorchError } from '../errors.js';
import { type Device, type Tensor, tidy } from '../tensor/index.js';
import { ImageDataset } from './imageDataset.js';
import type { Statistics } from './statistics.js';

export interface NpyOptions {
  /** Path of uint8 images: [N, channels, height, width], [N, height, width, channels] or [N, height, width]. */
  images: string;
  /** Path of integer labels [N]. */
  labels?: string;
  /** Where the channels are. @default the dimension that is 1 or 3 */
  layout?: 'NCHW' | 'NHWC';
  classes?: readonly string[];
  /** @default the images' path */
  name?: string;
  statistics?: Statistics;
  /** @default 'cpu' */
  device?: Device;
}

/**
 * Images and labels of `np.save`.
 * @throws ERR_FILE, ERR_FORMAT for a file that can't be read or is no .npy; ERR_DTYPE for pixels that are not uint8; ERR_SHAPE
 *   when sizes don't fit, or the layout can't be told; ERR_DATA for labels that are no classes
 * @example const fog = await data.fromNpy({ images: 'CIFAR-10-C/fog.npy', labels: 'CIFAR-10-C/labels.npy' });
 */
export function fromNpy(options: NpyOptions & { labels: string }): Promise<ImageDataset<Tensor>>;
export function fromNpy(options: NpyOptions & { labels?: undefined }): Promise<ImageDataset<null>>;
export async function fromNpy({ images, labels, layout, device = 'cpu', ...rest }: NpyOptions): Promise<ImageDataset> {
  if (layout !== undefined && layout !== 'NCHW' && layout !== 'NHWC')
    throw expected("'NCHW' or 'NHWC'", 'layout', layout);
  using pixels = await loadNpy(images);
  if (pixels.dtype !== 'uint8')
    throw new IsotorchError('ERR_DTYPE', `${images}: expected images of uint8, received ${pixels.dtype}`);
  using classOf = labels === undefined ? undefined : await loadNpy(labels);
  if (classOf && !/^u?int/.test(classOf.dtype))
    throw new IsotorchError('ERR_DTYPE', `${labels}: expected integer labels, received ${classOf.dtype}`);
  const channelsLast = isChannelsLast(pixels.shape, layout, images);
  const tensors = tidy(() => {
    const four = pixels.ndim === 3 ? pixels.unsqueeze(1) : channelsLast ? pixels.permute([0, 3, 1, 2]) : pixels;
    // Copies: what was read is freed.
    const copied = four.clone({ memoryFormat: 'contiguous_format' }).to(device);
    return { images: copied, labels: classOf?.to({ dtype: 'int64', copy: true }).to(device) ?? null };
  });
  try {
    return new ImageDataset({ ...rest, ...tensors, name: rest.name ?? images });
  } catch (error) {
    tensors.images.dispose();
    tensors.labels?.dispose();
    throw error;
  }
}

function isChannelsLast(shape: readonly number[], layout: NpyOptions['layout'], path: string): boolean {
  const bad = (problem: string) =>
    new IsotorchError('ERR_SHAPE', `${path}: ${problem}, received [${shape.join(', ')}]`);
  const sizes = 'expected images [N, channels, height, width], [N, height, width, channels] or [N, height, width]';
  if (shape.length === 3) return false;
  if (shape.length !== 4) throw bad(sizes);
  if (layout !== undefined) return layout === 'NHWC';
  const [first, last] = [shape[1] === 1 || shape[1] === 3, shape[3] === 1 || shape[3] === 3];
  if (first === last) throw bad(`${sizes} with 1 or 3 channels; say which it is, with layout: 'NCHW' or 'NHWC'`);
  return last;
}
