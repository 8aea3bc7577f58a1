// The layers that PyTorch's own test list lacks, beside PyTorch's in both modes: print, first values, outputs, gradients and
// state. And what is our own: rows of tables as classes, arguments by position and by name, lazy layers, what is refused.

import { describe, expect, it } from 'vitest';
import * as nn from '../lib/nn/index.js';
import { capture, type Tensor, torch } from '../lib/tensor/index.js';
import { differences, drawCases, error } from './support/moduleDb.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const { describe: withPython } = needs(python, 'a Python that has torch');
const code = (value: string) => expect.objectContaining({ code: value });

const pooled = (rank: number, input: string): [string, string] => [
  `F.max_pool${rank}d(${input}, 2, return_indices=True)[0].detach().requires_grad_()`,
  `F.max_pool${rank}d(${input}, 2, return_indices=True)[1]`,
];

const layers: (readonly [string, ...string[]])[] = [
  ['nn.RReLU()', 'leaf(3, 4)'],
  ['nn.RReLU(0.2, 0.4)', 'leaf(3, 4)'],
  ['nn.Hardsigmoid()', 'leaf(3, 4)'],
  ['nn.Threshold(0.1, 20)', 'leaf(3, 4)'],
  ['nn.Dropout(0.3)', 'leaf(3, 4)'],
  ['nn.Dropout1d()', 'leaf(2, 3, 4)'],
  ['nn.Dropout2d(0.3)', 'leaf(2, 3, 4, 4)'],
  ['nn.Dropout3d(0.3)', 'leaf(2, 3, 2, 2, 2)'],
  ['nn.AlphaDropout(0.3)', 'leaf(3, 4)'],
  ['nn.FeatureAlphaDropout(0.3)', 'leaf(2, 3, 4)'],
  ['nn.Identity()', 'leaf(2, 3)'],
  ['nn.Flatten()', 'leaf(2, 3, 4)'],
  ['nn.Unflatten(1, (2, 3))', 'leaf(2, 6)'],
  ['nn.Fold((4, 5), kernel_size=(2, 2))', 'leaf(1, 12, 12)'],
  ['nn.Unfold((2, 3), padding=1)', 'leaf(1, 2, 4, 5)'],
  ['nn.PixelShuffle(2)', 'leaf(1, 8, 2, 2)'],
  ['nn.PixelUnshuffle(2)', 'leaf(1, 2, 4, 4)'],
  ['nn.ChannelShuffle(2)', 'leaf(1, 4, 2, 2)'],
  ['nn.Upsample(scale_factor=2)', 'leaf(1, 2, 3, 4)'],
  ["nn.Upsample(size=(5, 7), mode='bilinear', align_corners=True)", 'leaf(1, 2, 3, 4)'],
  ["nn.Upsample(scale_factor=(2.0, 1.5), mode='bicubic')", 'leaf(1, 2, 3, 4)'],
  ['nn.UpsamplingNearest2d(scale_factor=2)', 'leaf(1, 2, 3, 4)'],
  ['nn.UpsamplingBilinear2d(size=5)', 'leaf(1, 2, 3, 4)'],
  ['nn.MaxUnpool1d(2)', ...pooled(1, 'torch.arange(12.0, dtype=leaf().dtype).view(1, 2, 6)')],
  ['nn.MaxUnpool2d(2, stride=2)', ...pooled(2, 'torch.arange(32.0, dtype=leaf().dtype).view(1, 2, 4, 4)')],
  ['nn.MaxUnpool3d((2, 2, 2))', ...pooled(3, 'torch.arange(128.0, dtype=leaf().dtype).view(1, 2, 4, 4, 4)')],
  ['nn.FractionalMaxPool2d(2, output_ratio=(0.5, 0.6))', 'leaf(2, 3, 6, 7)'],
  ['nn.CosineSimilarity()', 'leaf(3, 4)', 'leaf(3, 4)'],
  ['nn.PairwiseDistance(1.0, keepdim=True)', 'leaf(3, 4)', 'leaf(3, 4)'],
  ['nn.TripletMarginLoss(swap=True)', 'leaf(3, 4)', 'leaf(3, 4)', 'leaf(3, 4)'],
  ['nn.TripletMarginWithDistanceLoss()', 'leaf(3, 4)', 'leaf(3, 4)', 'leaf(3, 4)'],
  ['nn.TripletMarginWithDistanceLoss(distance_function=nn.CosineSimilarity())', ...Array<string>(3).fill('leaf(3, 4)')],
  ['nn.CrossMapLRN2d(3, alpha=0.5)', 'leaf(2, 9, 2, 3).detach()'],
  ['nn.CrossMapLRN2d(4, alpha=0.5, k=2)', 'leaf(2, 3, 2, 3).detach()'],
  ['nn.EmbeddingBag(6, 3)', 'torch.tensor([[1, 2], [4, 5]])'],
  [
    "nn.EmbeddingBag(6, 3, mode='sum', padding_idx=1, include_last_offset=True)",
    'torch.tensor([1, 2, 3])',
    'torch.tensor([0, 2, 3])',
  ],
  ["nn.EmbeddingBag(6, 3, mode='max')", 'torch.tensor([[1, 2], [4, 5]])'],
  ['nn.Embedding(6, 3, padding_idx=-1, max_norm=1.0)', 'torch.tensor([[1, 2], [4, 5]])'],
  ['nn.Embedding(6, 3, scale_grad_by_freq=True, norm_type=1.0)', 'torch.tensor([[1, 2], [1, 5]])'],
  ['nn.AdaptiveLogSoftmaxWithLoss(16, 12, [3, 7])', 'leaf(5, 16)', 'torch.tensor([0, 4, 11, 2, 6])'],
  ['nn.AdaptiveLogSoftmaxWithLoss(16, 12, [3, 7], head_bias=True, div_value=2.0)', 'leaf(16)', 'torch.tensor(8)'],
  ['nn.Conv1d(2, 4, 3, padding=2, padding_mode="circular")', 'leaf(1, 2, 5)'],
  ['nn.Conv2d(2, 4, (2, 3), padding="same", padding_mode="reflect", dilation=(1, 2))', 'leaf(1, 2, 5, 6)'],
  ['nn.Conv3d(2, 4, 2, padding=(1, 0, 1), padding_mode="replicate", stride=2)', 'leaf(1, 2, 4, 4, 4)'],
  ['nn.ConvTranspose2d(4, 2, 3, 2, 1, 1, groups=2, bias=False)', 'leaf(1, 4, 3, 3)'],
  ['nn.ConvTranspose1d(4, 2, 3, stride=2)', 'leaf(1, 4, 3)', '[8]'],
  ['nn.LazyLinear(3)', 'leaf(2, 4)'],
  ['nn.LazyBatchNorm1d()', 'leaf(4, 3)'],
  ['nn.LazyBatchNorm2d(momentum=0.3)', 'leaf(2, 3, 4, 4)'],
  ['nn.LazyBatchNorm3d(affine=False)', 'leaf(2, 3, 2, 2, 2)'],
  ['nn.LazyInstanceNorm1d(affine=True)', 'leaf(2, 3, 4)'],
  ['nn.LazyInstanceNorm2d(track_running_stats=True)', 'leaf(2, 3, 4, 4)'],
  ['nn.LazyInstanceNorm3d()', 'leaf(2, 3, 2, 2, 2)'],
  ['nn.LazyConv2d(4, 3, groups=2, bias=False)', 'leaf(1, 2, 5, 5)'],
];

withPython('layers equal PyTorch', () => {
  const { cases } = python ? drawCases({ dtypes: ['float64'], names: [], extra: layers }) : { cases: [] };

  for (const one of cases) {
    it(`${one.about}, ${one.training ? 'training' : 'evaluation'}`, () => expect(differences(one)).toEqual([]));
  }

  it('adaptive softmax gives all log-probabilities, and the likeliest class', () => {
    const theirs = runPython(`
      from torch import nn
      torch.manual_seed(0)
      module = nn.AdaptiveLogSoftmaxWithLoss(16, 12, [3, 7])
      x = torch.randn(20, 16)
      emit({'x': x, 'all': module.log_prob(x), 'best': module.predict(x)})`) as Record<string, TensorJson>;
    torch.manualSeed(0);
    const module = new nn.AdaptiveLogSoftmaxWithLoss(16, 12, [3, 7]);
    const x = decode(theirs.x!);
    expect(error(module.logProb(x), decode(theirs.all!))).toBeLessThanOrEqual(1e-6);
    expect(encode(module.predict(x))).toEqual(theirs.best);
  });
});

describe('a row of a table', () => {
  it('is a class by its name, a module, and typed', () => {
    const layer: nn.LeakyReLU = new nn.LeakyReLU(0.2, { inplace: true });
    expect(layer).toBeInstanceOf(nn.LeakyReLU);
    expect(layer).toBeInstanceOf(nn.Module);
    expect(layer).not.toBeInstanceOf(nn.ReLU);
    expect([layer.constructor.name, layer.negativeSlope, layer.inplace]).toEqual(['LeakyReLU', 0.2, true]);
  });

  it('can be extended', () => {
    class Doubled extends nn.Softplus {
      override forward(x: Tensor): Tensor {
        return super.forward(x).mul(2);
      }
    }
    expect(String(new Doubled(2))).toBe('Doubled(beta=2.0, threshold=20.0)');
    expect(new Doubled().forward(torch.zeros([1])).item()).toBeCloseTo(2 * Math.log(2), 6);
  });

  it("takes PyTorch's arguments by position or by name, and null where Python has None", () => {
    const forms = [
      new nn.MaxPool2d(3, 2, 1),
      new nn.MaxPool2d(3, 2, { padding: 1 }),
      new nn.MaxPool2d(3, { padding: 1, stride: 2 }),
      new (nn.MaxPool2d as unknown as new (options: object) => nn.MaxPool2d)({ kernelSize: 3, stride: 2, padding: 1 }),
    ];
    expect(new Set(forms.map(String)).size).toBe(1);
    expect(String(new nn.MaxPool2d(3, null))).toBe(
      'MaxPool2d(kernel_size=3, stride=3, padding=0, dilation=1, ceil_mode=False)',
    );
    expect(String(new nn.Conv2d(1, 2, 3, 2, 'valid', { bias: false }))).toBe(
      'Conv2d(1, 2, kernel_size=(3, 3), stride=(2, 2), padding=valid, bias=False)',
    );
  });

  it('gives the places of maxima where they are asked for, in its type too', () => {
    const x = torch.randn([1, 2, 4, 4]);
    const [values, places]: nn.functional.Pooled = new nn.MaxPool2d(2, { returnIndices: true }).forward(x);
    const plain: Tensor = new nn.MaxPool2d(2).forward(x);
    expect(values.equal(plain)).toBe(true);
    expect(new nn.MaxUnpool2d(2).forward(values, places).sum().item()).toBeCloseTo(plain.sum().item(), 5);
  });

  const wrong: Record<string, [() => unknown, RegExp]> = {
    'a misspelt option': [
      () => new nn.MaxPool2d(2, { strides: 2 } as never),
      /no option strides.*Did you mean `stride`/,
    ],
    'an argument given twice': [() => new nn.MaxPool2d(2, 2, { stride: 1 } as never), /stride once/],
    'too many arguments': [() => new nn.Softplus(...([1, 2, 3] as never as [number, number])), /at most 2/],
    'a missing argument': [() => new nn.PixelShuffle(...([] as never as [number])), /upscaleFactor/],
    'a second input': [
      () => (new nn.ReLU() as nn.Module).forward(torch.ones([1]), torch.ones([1])),
      /expected 1 input/,
    ],
    'a lack of inputs': [() => (new nn.MSELoss() as nn.Module).forward(torch.ones([1])), /expected 2 inputs/],
    'a side too many': [() => new nn.ZeroPad1d([1, 2, 3] as never), /an integer, or 2 of them/],
    'a reduction that is none': [() => new nn.MSELoss({ reduction: 'avg' as never }), /'mean' or 'sum' or 'none'/],
    'groups that do not divide': [() => new nn.GroupNorm(3, 4), /divisor of the 4/],
    'cutoffs that fall': [() => new nn.AdaptiveLogSoftmaxWithLoss(8, 10, [5, 3]), /rising numbers/],
    'a row that is not there': [() => new nn.Embedding(3, 2, { paddingIdx: 3 }), /a row of the 3/],
    'a size that no convolution gives': [
      () => new nn.ConvTranspose2d(1, 1, 2, 2).forward(torch.ones([1, 1, 2, 2]), [9, 9]),
      /outputSize/,
    ],
    'targets of other classes': [
      () => new nn.AdaptiveLogSoftmaxWithLoss(8, 10, [3]).forward(torch.ones([1, 8]), torch.tensor([10])),
      /from 0 to 9/,
    ],
  };
  for (const [what, [run, message]] of Object.entries(wrong)) it(`refuses ${what}`, () => expect(run).toThrow(message));
});

describe('a lazy layer', () => {
  it('is the layer already, and becomes it with its first input; what holds its parameters holds the real ones', () => {
    const layer = new nn.LazyConv2d(4, 3, { padding: 1 });
    const { weight } = layer;
    expect(layer).toBeInstanceOf(nn.Conv2d);
    expect(weight).toBeInstanceOf(nn.UninitializedParameter);
    expect(String(layer)).toBe('LazyConv2d(0, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))');
    layer.requiresGrad_(false);
    layer.forward(torch.ones([1, 2, 5, 5]));
    expect(layer.weight).toBe(weight);
    expect([layer.constructor, weight.shape, weight.requiresGrad]).toEqual([nn.Conv2d, [4, 2, 3, 3], false]);
    expect(weight).not.toBeInstanceOf(nn.UninitializedParameter);
    expect(() => layer.forward(torch.ones([1, 3, 5, 5]))).toThrow(code('ERR_SHAPE'));
  });

  it('draws the same first values as the layer, and none before', () => {
    torch.manualSeed(0);
    const lazy = new nn.LazyLinear(3);
    lazy.forward(torch.ones([1, 4]));
    torch.manualSeed(0);
    const plain = new nn.Linear(4, 3);
    expect(encode(lazy.weight)).toEqual(encode(plain.weight));
  });

  it('takes its size from a state dict', () => {
    const [from, to] = [new nn.Conv2d(4, 6, 3, { groups: 2 }), new nn.LazyConv2d(6, 3, { groups: 2 })];
    to.loadStateDict(from.stateDict());
    expect([to.constructor, to.inChannels]).toEqual([nn.Conv2d, 4]);
    const x = torch.randn([1, 4, 5, 5]);
    expect(to.forward(x).equal(from.forward(x))).toBe(true);
    const norm = new nn.LazyBatchNorm2d();
    norm.loadStateDict(new nn.BatchNorm2d(3).stateDict());
    expect(norm.numFeatures).toBe(3);
  });

  it('stays in a dtype that it was moved to before, and runs hooks once a call', () => {
    const net = new nn.Sequential(new nn.LazyLinear(3), new nn.ReLU(), new nn.LazyBatchNorm1d()).to('float64');
    let calls = 0;
    net.at(0)!.registerForwardHook(() => void calls++);
    expect(net.forward(torch.randn([5, 4], { dtype: 'float64' })).dtype).toBe('float64');
    net.forward(torch.randn([5, 4], { dtype: 'float64' }));
    expect(calls).toBe(2);
  });

  it('can be initialised by a captured step', async () => {
    const layer = new nn.LazyLinear(3);
    const step = capture((x: Tensor) => layer.forward(x));
    const x = torch.randn([2, 4]);
    const [first, second] = [await step(x), await step(x)];
    expect([first.equal(layer.forward(x)), second.equal(first)]).toEqual([true, true]);
  });

  it('refuses inputs of other dimensions, and stays lazy', () => {
    const layer = new nn.LazyConv1d(4, 3);
    expect(() => layer.forward(torch.ones([1, 1, 1, 5, 5]))).toThrow(code('ERR_SHAPE'));
    expect(layer.forward(torch.ones([2, 5])).shape).toEqual([4, 3]);
  });
});

describe('captured', () => {
  it('layers with random numbers and with statistics give what they give outside', async () => {
    for (const make of [
      () => new nn.Dropout2d(0.3),
      () => new nn.RReLU(),
      () => new nn.BatchNorm2d(4),
      () => new nn.InstanceNorm2d(4, { trackRunningStats: true }),
      () => new nn.FractionalMaxPool2d(2, { outputSize: 2 }),
    ]) {
      const [eager, captured] = [make(), make()];
      const step = capture((x: Tensor) => captured.forward(x));
      const x = torch.randn([2, 4, 6, 6]);
      for (let i = 0; i < 3; i++) {
        torch.manualSeed(i);
        const y = eager.forward(x);
        torch.manualSeed(i);
        expect([String(eager), (await step(x)).equal(y)]).toEqual([String(eager), true]);
      }
    }
  });

  it('adaptive softmax is refused where other targets would need other shapes', async () => {
    const module = new nn.AdaptiveLogSoftmaxWithLoss(16, 12, [3, 7]);
    const step = capture((x: Tensor, y: Tensor) => module.forward(x, y).output);
    const x = torch.randn([3, 16]);
    await step(x, torch.tensor([0, 4, 11]));
    await expect(step(x, torch.tensor([0, 4, 4]))).rejects.toThrow(code('ERR_CAPTURE'));
  });
});
