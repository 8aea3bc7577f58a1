// The papers' augmentations, for a whole batch at once and on the batch's device. What is random about them, a few integers
// an image, is drawn in JavaScript once an epoch, from streams that the seed and the epoch name; what they do to the pixels
// is a few operators, which a captured step can contain. They work on uint8 pixels, before normalisation, as torchvision's
// work on PIL images: padding is black.

import { probability, wholeNumber } from '../arguments.js';
import { expected, IsotorchError } from '../errors.js';
import type { AugmentationName } from '../known/augmentations.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import type { ImageShape } from './imageShape.js';
import type { SeededRandom } from './random.js';

/** A random change of images, in two parts: the draw, and the tensor function that is given what was drawn. */
export interface Augmentation {
  /**
   * What it draws for `count` images of that shape: a list of parameters, each an array with one integer an image. Always
   * the same number of parameters.
   */
  draw(shape: ImageShape, count: number, random: SeededRandom): Int32Array[];
  /** Changes uint8 images [B, channels, height, width]; `drawn` has an int64 tensor [B] for each parameter. */
  apply(images: Tensor, drawn: readonly Tensor[]): Tensor;
  /** The shape of what comes out, where it is another. */
  outputShape?(shape: ImageShape): ImageShape;
}

/**
 * A window of `size` at a random place of each image, after padding all sides with zeros (torchvision's RandomCrop).
 * @param size height and width, or [height, width]
 * @param padding pixels added on every side. @default 0
 * @throws ERR_ARGUMENT; when used, ERR_SHAPE where the padded image is smaller than the window
 * @example train.batches(128, { shuffle: true, augment: [randomCrop(32, 4), randomHorizontalFlip()] })
 */
export function randomCrop(size: number | readonly [height: number, width: number], padding = 0): Augmentation {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  wholeNumber(height, 'size');
  wholeNumber(width, 'size');
  wholeNumber(padding, 'padding', 0);
  /** How far the window can move, down and to the right. */
  const room = (sourceHeight: number, sourceWidth: number): [number, number] => {
    const [down, right] = [sourceHeight + 2 * padding - height, sourceWidth + 2 * padding - width];
    if (down >= 0 && right >= 0) return [down, right];
    throw new IsotorchError(
      'ERR_SHAPE',
      `randomCrop: expected images of at least ${height}×${width} with their padding of ${padding}, received ${sourceHeight}×${sourceWidth}`,
    );
  };
  return {
    outputShape: ([channels]) => [channels, height, width],
    draw([, sourceHeight, sourceWidth], count, random) {
      const [down, right] = room(sourceHeight, sourceWidth);
      const tops = new Int32Array(count);
      const lefts = new Int32Array(count);
      for (let i = 0; i < count; i++) {
        tops[i] = random.below(down + 1);
        lefts[i] = random.below(right + 1);
      }
      return [tops, lefts];
    },
    apply(images, [tops, lefts]) {
      const [n, , sourceHeight, sourceWidth] = shapeOf(images, 'randomCrop');
      room(sourceHeight, sourceWidth);
      if (isPlain(images)) return torch.ops.isotorch.window(images, tops!, lefts!, padding, height, width);
      return tidy(() => {
        const padded = padding > 0 ? torch.constantPadNd(images, [padding, padding, padding, padding], 0) : images;
        // A view of every window there is, [N, C, down + 1, right + 1, height, width], of which each image takes one.
        const windows = padded.unfold(2, height, 1).unfold(3, width, 1).permute([0, 2, 3, 1, 4, 5]);
        const each = torch.arange(n, { dtype: 'int64', device: images.device });
        return windows.index([each, tops!, lefts!]);
      });
    },
  };
}

/**
 * Mirrors each image left to right with probability `p` (torchvision's RandomHorizontalFlip).
 * @param p @default 0.5
 * @throws ERR_ARGUMENT
 */
export function randomHorizontalFlip(p = 0.5): Augmentation {
  probability(p, 'p');
  return {
    draw: (_, count, random) => [Int32Array.from({ length: count }, () => (random.uniform() < p ? 1 : 0))],
    apply(images, [chosen]) {
      const [n] = shapeOf(images, 'randomHorizontalFlip');
      if (isPlain(images)) return torch.ops.isotorch.mirror(images, chosen!);
      return tidy(() => torch.where(chosen!.ne(0).view([n, 1, 1, 1]), images.flip([3]), images));
    },
  };
}

/** Whether our own operators take them, which copy whole rows; indexing takes anything, pixel by pixel. */
const isPlain = (images: Tensor): boolean => images.dtype === 'uint8' && images.device === 'cpu';

function shapeOf(images: Tensor, name: string): [number, number, number, number] {
  const { shape } = images;
  if (shape.length === 4) return shape as [number, number, number, number];
  throw expected('images of shape [N, channels, height, width]', `${name}: images`, shape, 'ERR_SHAPE');
}

/** The augmentations by name, for images of a shape. */
export const augmentations: { readonly [N in AugmentationName]: (images: ImageShape) => Augmentation } = {
  crop: ([, height, width]) => randomCrop([height, width], 4),
  flip: () => randomHorizontalFlip(),
};
