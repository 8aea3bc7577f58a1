// Residual networks of basic blocks (He et al. 2016), with torchvision's keys. For small images the first layer is a 3×3
// convolution at full size, as in the CIFAR experiments; for large ones torchvision's 7×7 with stride 2 and a pooling.

import { expected } from '../errors.js';
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Identity,
  init,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
} from '../nn/index.js';
import { Tensor } from '../tensor/index.js';
import { checkSizes, headFrom, type MakeHead } from './head.js';

export interface ResNetOptions {
  /** Of the images. @default 3 */
  inChannels?: number;
  /** @default 10 */
  numClasses?: number;
  /** The last layer, such as `losses.byName('isomax').head`. @default nn.Linear */
  head?: MakeHead;
  /** Channels of the first stage; the last has eight times as many. @default 64 */
  width?: number;
  /** The first layer: `'small'` for images of some 32×32, `'large'` for 224×224. @default 'small' */
  stem?: 'small' | 'large';
}

/** Two 3×3 convolutions, and what skips them. */
export class BasicBlock extends Module {
  conv1: Conv2d;
  bn1: BatchNorm2d;
  relu = new ReLU({ inplace: true });
  conv2: Conv2d;
  bn2: BatchNorm2d;
  downsample: Sequential | null = null;

  constructor(from: number, to: number, stride: number) {
    super();
    this.conv1 = new Conv2d(from, to, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(to);
    this.conv2 = new Conv2d(to, to, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(to);
    if (stride !== 1 || from !== to)
      this.downsample = new Sequential(new Conv2d(from, to, 1, { stride, bias: false }), new BatchNorm2d(to));
  }

  override forward(x: Tensor): Tensor {
    const first = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const second = this.bn2.forward(this.conv2.forward(first));
    return this.relu.forward(second.add_(this.downsample === null ? x : this.downsample.forward(x)));
  }
}

/** @see resnet18 */
export class ResNet extends Module {
  /** d, the length of a feature vector. */
  readonly numFeatures: number;
  readonly numClasses: number;
  conv1: Conv2d;
  bn1: BatchNorm2d;
  relu = new ReLU({ inplace: true });
  maxpool: Module;
  layer1: Sequential;
  layer2: Sequential;
  layer3: Sequential;
  layer4: Sequential;
  avgpool = new AdaptiveAvgPool2d(1);
  readonly #flatten = new Flatten();
  fc: Module;

  constructor(blocks: readonly [number, number, number, number], options: ResNetOptions = {}) {
    super();
    const { inChannels = 3, numClasses = 10, head, width = 64, stem = 'small' } = options;
    checkSizes({ inChannels, numClasses, width });
    if (stem !== 'small' && stem !== 'large') throw expected("'small' or 'large'", 'stem', stem);
    this.numFeatures = 8 * width;
    this.numClasses = numClasses;
    this.conv1 =
      stem === 'small'
        ? new Conv2d(inChannels, width, 3, { padding: 1, bias: false })
        : new Conv2d(inChannels, width, 7, { stride: 2, padding: 3, bias: false });
    this.bn1 = new BatchNorm2d(width);
    this.maxpool = stem === 'small' ? new Identity() : new MaxPool2d(3, { stride: 2, padding: 1 });
    this.layer1 = stage(width, width, blocks[0], 1);
    this.layer2 = stage(width, 2 * width, blocks[1], 2);
    this.layer3 = stage(2 * width, 4 * width, blocks[2], 2);
    this.layer4 = stage(4 * width, 8 * width, blocks[3], 2);
    // torchvision makes its last layer before it fills the convolutions, and the order of random draws is part of a seed.
    this.fc = headFrom(head, this.numFeatures, numClasses);
    for (const module of this.modules())
      if (module instanceof Conv2d) init.kaimingNormal_(module.weight, { mode: 'fan_out', nonlinearity: 'relu' });
  }

  /** torchvision's networks begin with 7×7, those of CIFAR experiments with 3×3. */
  override stateAdvice(at: (key: string) => unknown): string | undefined {
    const theirs = at('conv1.weight');
    const [kernel, own] = [theirs instanceof Tensor ? theirs.shape[2] : undefined, this.conv1.weight.shape[2]];
    if (kernel === own || (kernel !== 3 && kernel !== 7)) return undefined;
    return `  its first layer is ${kernel}×${kernel}: make the network with { stem: '${kernel === 7 ? 'large' : 'small'}' }`;
  }

  /** Images [N, channels, H, W] → penultimate features [N, d]. */
  features(images: Tensor): Tensor {
    let x = this.maxpool.forward(this.relu.forward(this.bn1.forward(this.conv1.forward(images))));
    for (const layer of [this.layer1, this.layer2, this.layer3, this.layer4]) x = layer.forward(x);
    return this.#flatten.forward(this.avgpool.forward(x));
  }

  /** Images [N, channels, H, W] → logits [N, classes]. */
  override forward(images: Tensor): Tensor {
    return this.fc.forward(this.features(images));
  }
}

function stage(from: number, to: number, count: number, stride: number): Sequential {
  return new Sequential(
    ...Array.from({ length: count }, (_, i) => new BasicBlock(i === 0 ? from : to, to, i === 0 ? stride : 1)),
  );
}

/**
 * ResNet-18: 11.2 million weights for 32×32 images at the usual width. State: torchvision's keys, the head's under `fc`.
 * @throws ERR_ARGUMENT for sizes that are no positive whole numbers.
 * @example
 * const model = models.resnet18({ numClasses: 10, head: losses.byName('isomax').head });
 * model.forward(torch.randn([8, 3, 32, 32])).shape; // [8, 10]
 */
export function resnet18(options: ResNetOptions = {}): ResNet {
  return new ResNet([2, 2, 2, 2], options);
}

/** ResNet-34, the papers' larger network; as `resnet18`. */
export function resnet34(options: ResNetOptions = {}): ResNet {
  return new ResNet([3, 4, 6, 3], options);
}
