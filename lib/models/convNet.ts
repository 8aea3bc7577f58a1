// A small convolutional network for small images: good for Fashion-MNIST in minutes on two cores.

import { IsotorchError } from '../errors.js';
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Module, ReLU, Sequential } from '../nn/index.js';
import type { Tensor } from '../tensor/index.js';
import { checkSizes, headFrom, type MakeHead } from './head.js';

export interface ConvNetOptions {
  /** Of the images: 1 for grey ones. @default 1 */
  inChannels?: number;
  /** @default 10 */
  numClasses?: number;
  /** The last layer, such as `losses.byName('isomax').head`. @default nn.Linear */
  head?: MakeHead;
  /** Channels of the first layer; the last has four times as many. @default 16 */
  width?: number;
}

/** @see convNet */
export class ConvNet extends Module {
  readonly inChannels: number;
  /** d, the length of a feature vector. */
  readonly numFeatures: number;
  readonly numClasses: number;
  body: Sequential;
  classifier: Module;

  constructor({ inChannels = 1, numClasses = 10, head, width = 16 }: ConvNetOptions = {}) {
    super();
    checkSizes({ inChannels, numClasses, width });
    this.inChannels = inChannels;
    this.numFeatures = 4 * width;
    this.numClasses = numClasses;
    this.body = new Sequential(
      ...block(inChannels, width, 2),
      ...block(width, 2 * width),
      ...block(2 * width, 2 * width),
      ...block(2 * width, 4 * width, 2),
      ...block(4 * width, 4 * width),
      new AdaptiveAvgPool2d(1),
      new Flatten(),
    );
    this.classifier = headFrom(head, this.numFeatures, numClasses);
  }

  /** Images [N, channels, H, W] → penultimate features [N, d]. */
  features(images: Tensor): Tensor {
    const { shape } = images;
    if (shape.length !== 4 || shape[1] !== this.inChannels) {
      throw new IsotorchError(
        'ERR_SHAPE',
        `ConvNet: expected images of shape [N, ${this.inChannels}, H, W], received [${shape.join(', ')}]`,
      );
    }
    return this.body.forward(images);
  }

  /** Images [N, channels, H, W] → logits [N, classes]. */
  override forward(images: Tensor): Tensor {
    return this.classifier.forward(this.features(images));
  }
}

/** 3×3 convolution, batch norm, ReLU. The convolution has no bias: the norm would take it away again. */
function block(from: number, to: number, stride = 1): Module[] {
  return [
    new Conv2d(from, to, 3, { stride, padding: 1, bias: false }),
    new BatchNorm2d(to),
    new ReLU({ inplace: true }),
  ];
}

/**
 * Five 3×3 conv-BN-ReLU layers with 16, 32, 32, 64 and 64 channels (times `width` / 16), the first and the
 * fourth with stride 2, then the mean over what is left of the image, and the head.
 *
 * State: `body.0.weight` … and `classifier.*`.
 * @throws ERR_ARGUMENT for sizes that are no positive whole numbers.
 * @example
 * const { head } = losses.byName('isomax');
 * const model = models.convNet({ inChannels: 1, numClasses: 10, head });
 * model.forward(torch.randn([8, 1, 28, 28])).shape; // [8, 10]
 */
export function convNet(options: ConvNetOptions = {}): ConvNet {
  return new ConvNet(options);
}
