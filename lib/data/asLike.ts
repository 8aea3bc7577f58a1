// Makes one image set fit where another is expected: same channels, same size, same device. So any set can stand for the
// unknown beside any known one.
import { expected, IsotorchError } from '../errors.js';
import type { Tensor } from '../tensor/index.js';
import { ImageDataset } from './imageDataset.js';

/**
 * `dataset` with the channels, height and width of `like`, on its device, and normalised with its statistics by default:
 * resized bilinearly; one channel repeated to three; three channels made grey by ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B).
 * @throws ERR_SHAPE for other numbers of channels
 * @example const ood = asLike(await digits({ split: 'test' }), fashionTest);    // 8×8 → 28×28
 */
export function asLike<Labels extends Tensor | null>(
  dataset: ImageDataset<Labels>,
  like: ImageDataset,
): ImageDataset<Labels> {
  for (const [name, value] of Object.entries({ dataset, like })) {
    if (!(value instanceof ImageDataset)) throw expected('an ImageDataset', name, value);
  }
  const [channels, height, width] = like.shape;
  const resized = dataset.resize(height, width);
  const images = resized.mapChunks((chunk) => withChannels(chunk, channels, dataset.name));
  const { classes, name } = dataset;
  // A copy of its own: `resized` goes.
  const labels = (dataset.labels?.clone() ?? null) as Labels;
  resized.dispose();
  const fitted = new ImageDataset({ images, labels, classes, name, statistics: like.statistics });
  const moved = fitted.to(like.device);
  if (moved !== fitted) fitted.dispose();
  return moved;
}

function withChannels(images: Tensor, channels: number, name: string): Tensor {
  const own = images.shape[1]!;
  if (own === channels) return images.clone();
  if (own === 1) return images.expand([-1, channels, -1, -1]).contiguous();
  if (own === 3 && channels === 1) {
    const [red, green, blue] = [0, 1, 2].map((c) => images.narrow(1, c, 1).to('float32'));
    const grey = red!.mul_(0.299).add_(green!, { alpha: 0.587 }).add_(blue!, { alpha: 0.114 });
    return grey.round_().clamp_(0, 255).to('uint8');
  }
  throw new IsotorchError('ERR_SHAPE', `${name}: expected images of 1 or ${channels} channels, received ${own}`);
}
