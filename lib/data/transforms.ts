// From pixels to what a network eats: scaled to 0 … 1, then each channel's mean taken off and its deviation divided out.
import { IsotorchError } from '../errors.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';
import { checkStatistics, type Statistics } from './statistics.js';

/**
 * (images / 255 − mean) / std for uint8 images, (images − mean) / std for floating-point ones, which are taken to be
 * in 0 … 1 already. The same operations in the same order as torchvision's ToTensor and Normalize, so the same bits.
 * Tables are [N, columns], floating point, with a mean and a deviation a column.
 * Differentiable with respect to floating-point images.
 *
 * @param images [channels, height, width] or [N, channels, height, width], uint8 or floating point
 * @returns float32, on the images' device
 * @throws ERR_SHAPE unless there is one mean and std a channel; ERR_ARGUMENT for a std that is not positive; ERR_DTYPE
 * @example const x = normalize(batch.images, statistics.fashionMnist);
 */
export function normalize(images: Tensor, { mean, std }: Statistics): Tensor {
  const isTable = images.ndim === 2 && images.dtype !== 'uint8';
  if (!isTable && images.ndim !== 3 && images.ndim !== 4) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `normalize: expected images of shape [N, channels, height, width] or [channels, height, width], received [${images.shape.join(', ')}]`,
    );
  }
  if (images.dtype !== 'uint8' && !/^(b?float)/.test(images.dtype)) {
    throw new IsotorchError(
      'ERR_DTYPE',
      `normalize: expected uint8 or floating-point images, received ${images.dtype}`,
    );
  }
  checkStatistics({ mean, std }, images.shape.at(isTable ? -1 : -3)!);
  return tidy(() => {
    const float = images.to('float32');
    const channel = (values: readonly number[]) =>
      torch.tensor([...values], { dtype: 'float32', device: images.device }).view(isTable ? [-1] : [-1, 1, 1]);
    // In place only on tensors made here: `to` returns float32 images themselves.
    const scaled = images.dtype === 'uint8' ? float.div_(255).sub_(channel(mean)) : float.sub(channel(mean));
    return scaled.div_(channel(std));
  });
}
