// The small residual networks of He et al. 2016 (section 4.2), for 32×32 images: three stages of 16, 32 and 64 channels, with
// shortcuts that have no weights (their option A). State: the keys of the widely used checkpoints of CIFAR-10 (`conv1`, `bn1`,
// `layer1.0.conv1` …, `linear`).

import { BatchNorm2d, Conv2d, init, Linear, Module, Sequential } from '../nn/index.js';
import { type Tensor, tidy } from '../tensor/index.js';
import { checkSizes, headFrom, type MakeHead } from './head.js';

export interface CifarResNetOptions {
  /** Of the images. @default 3 */
  inChannels?: number;
  /** @default 10 */
  numClasses?: number;
  /** The last layer, such as `losses.byName('isomax').head`. @default nn.Linear */
  head?: MakeHead;
}

/** Two 3×3 convolutions; where they change the size, the shortcut takes every second pixel and adds channels of zeros. */
class Block extends Module {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  conv2: Conv2d;
  bn2: BatchNorm2d;
  readonly #added: number;
  readonly #stride: number;

  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = new Conv2d(from, to, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(to);
    this.conv2 = new Conv2d(to, to, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(to);
    this.#added = to - from;
    this.#stride = stride;
  }

  override forward(x: Tensor): Tensor {
    const first = this.bn1.forward(this.conv1.forward(x)).relu();
    return this.bn2.forward(this.conv2.forward(first)).add(this.#shortcut(x)).relu();
  }

  #shortcut(x: Tensor): Tensor {
    if (this.#stride === 1 && this.#added === 0) return x;
    return tidy(() => {
      const [, , height, width] = x.shape as [number, number, number, number];
      const fewer = x.slice(2, 0, height, this.#stride).slice(3, 0, width, this.#stride);
      const before = this.#added >> 1;
      return fewer.constantPadNd([0, 0, 0, 0, before, this.#added - before], 0);
    });
  }
}

/** @see resnet20 */
export class CifarResNet extends Module {
  /** d, the length of a feature vector. */
  readonly numFeatures = 64;
  readonly numClasses: number;
  conv1: Conv2d;
  bn1: BatchNorm2d;
  layer1: Sequential;
  layer2: Sequential;
  layer3: Sequential;
  linear: Module;

  /** @param blocks in each stage: (depth − 2) / 6 */
  constructor(blocks: number, { inChannels = 3, numClasses = 10, head }: CifarResNetOptions = {}) {
    super();
    checkSizes({ blocks, inChannels, numClasses });
    this.numClasses = numClasses;
    this.conv1 = new Conv2d(inChannels, 16, 3, { padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(16);
    this.layer1 = stage(16, 16, blocks, 1);
    this.layer2 = stage(16, 32, blocks, 2);
    this.layer3 = stage(32, 64, blocks, 2);
    this.linear = headFrom(head, this.numFeatures, numClasses);
    for (const module of this.modules())
      if (module instanceof Conv2d || module instanceof Linear) init.kaimingNormal_(module.weight);
  }

  /** Images [N, channels, H, W] → penultimate features [N, 64]. */
  features(images: Tensor): Tensor {
    const x = this.bn1.forward(this.conv1.forward(images)).relu();
    const last = this.layer3.forward(this.layer2.forward(this.layer1.forward(x)));
    return last.mean([2, 3]);
  }

  /** Images [N, channels, H, W] → logits [N, classes]. */
  override forward(images: Tensor): Tensor {
    return this.linear.forward(this.features(images));
  }
}

function stage(from: number, to: number, count: number, stride: number): Sequential {
  return new Sequential(
    ...Array.from({ length: count }, (_, i) => new Block(i === 0 ? from : to, to, i === 0 ? stride : 1)),
  );
}

/**
 * ResNet-20 for 32×32 images: 0.27 million weights.
 * @throws ERR_ARGUMENT for sizes that are no positive whole numbers.
 * @example
 * const { state_dict } = Object.fromEntries(await checkpoint.loadTorch<Map<string, any>>('resnet20.th'));
 * const model = models.resnet20();
 * model.loadStateDict(state_dict, { prefix: 'module.' });
 */
export const resnet20 = (options: CifarResNetOptions = {}): CifarResNet => new CifarResNet(3, options);
/** ResNet-32, as `resnet20`. */
export const resnet32 = (options: CifarResNetOptions = {}): CifarResNet => new CifarResNet(5, options);
/** ResNet-44, as `resnet20`. */
export const resnet44 = (options: CifarResNetOptions = {}): CifarResNet => new CifarResNet(7, options);
/** ResNet-56, as `resnet20`. */
export const resnet56 = (options: CifarResNetOptions = {}): CifarResNet => new CifarResNet(9, options);
/** ResNet-110, the first of the papers' networks; as `resnet20`. */
export const resnet110 = (options: CifarResNetOptions = {}): CifarResNet => new CifarResNet(18, options);
