// The papers' augmentations, for a whole batch at once and on the batch's device. Each is a function from images to
// images that takes its chance from the loader's seeded stream: a few integers an image, drawn in JavaScript, and one
// gather. They work on uint8 pixels, before normalisation, as torchvision's work on PIL images: padding is black.
import { expected, IsotorchError } from '../errors.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import { finite, integer } from './arguments.js';
import type { Augmentation } from './loader.js';

/**
 * A window of `size` at a random place of each image, after padding all sides with zeros (torchvision's RandomCrop).
 * @param size height and width, or [height, width]
 * @param padding pixels added on every side. @default 0
 * @throws ERR_ARGUMENT; when applied, ERR_SHAPE where the padded image is smaller than the window
 * @example train.batches(128, { shuffle: true, augment: [randomCrop(32, 4), randomHorizontalFlip()] })
 */
export function randomCrop(size: number | readonly [height: number, width: number], padding = 0): Augmentation {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  integer(height, 'size', 1);
  integer(width, 'size', 1);
  integer(padding, 'padding');
  return (images, random) => {
    const [n, , ...source] = checkImages(images, 'randomCrop');
    const down = source[0]! + 2 * padding - height;
    const right = source[1]! + 2 * padding - width;
    if (down < 0 || right < 0) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `randomCrop: expected images of at least ${height}×${width} with their padding of ${padding}, received ${source.join('×')}`,
      );
    }
    const tops = new Int32Array(n!);
    const lefts = new Int32Array(n!);
    for (let i = 0; i < n!; i++) {
      tops[i] = random.below(down + 1);
      lefts[i] = random.below(right + 1);
    }
    return tidy(() => {
      const padded = padding > 0 ? torch.constantPadNd(images, [padding, padding, padding, padding], 0) : images;
      // A view of every window there is, [N, C, down + 1, right + 1, height, width], of which each image takes one.
      const windows = padded.unfold(2, height, 1).unfold(3, width, 1).permute([0, 2, 3, 1, 4, 5]);
      const each = torch.arange(n!, { dtype: 'int64', device: images.device });
      return windows.index([each, positions(tops, images), positions(lefts, images)]);
    });
  };
}

/**
 * Mirrors each image left to right with probability `p` (torchvision's RandomHorizontalFlip).
 * @param p @default 0.5
 * @throws ERR_ARGUMENT
 */
export function randomHorizontalFlip(p = 0.5): Augmentation {
  finite(p, 'p', 0, 1);
  return (images, random) => {
    const [n] = checkImages(images, 'randomHorizontalFlip');
    const chosen = Uint8Array.from({ length: n! }, () => (random.uniform() < p ? 1 : 0));
    return tidy(() => {
      const mask = torch.fromBuffer(chosen, { dtype: 'bool', shape: [n!, 1, 1, 1], device: images.device });
      return torch.where(mask, images.flip([3]), images);
    });
  };
}

const positions = (values: Int32Array, { device }: Tensor): Tensor =>
  torch.fromBuffer(values, { dtype: 'int32', shape: [values.length], device }).to('int64');

function checkImages(images: Tensor, name: string): readonly number[] {
  if (images.ndim === 4) return images.shape;
  throw expected('images of shape [N, channels, height, width]', `${name}: images`, images.shape, 'ERR_SHAPE');
}
