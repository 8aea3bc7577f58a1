// The quickstart's network beside its twin in Python: the same first weights from the same seed, and ten training steps with
// each loss that end with the same weights. With SoftMax bit for bit, in float32. The IsoMax losses round otherwise than
// PyTorch's cdist, and these ten steps multiply a difference in the last digit by a million in float32 (one unit in the last
// place of PyTorch's own first weights does the same to its last ones). So they train in float64, and must agree to 1e-9.

import { describe, expect, it } from 'vitest';
import * as losses from '../lib/losses/index.js';
import * as models from '../lib/models/index.js';
import * as nn from '../lib/nn/index.js';
import * as optim from '../lib/optim/index.js';
import { memory, type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { decode, encode, python, runPython, type TensorJson } from './support/python.js';
import { needs } from './support/skip.js';

const code = (value: string) => expect.objectContaining({ code: value });
const { it: withPython } = needs(python, 'a Python that has torch');

const settings = { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 };
const steps = 10;
const dtypes = { softmax: 'float32', isomax: 'float64', isomaxplus: 'float64' } as const;

/** Ten batches of 16 random images, the last of them smaller. */
function batches(): [Tensor, Tensor][] {
  torch.manualSeed(7);
  return Array.from({ length: steps }, (_, i) => {
    const n = i === steps - 1 ? 5 : 16;
    return [torch.randn([n, 1, 28, 28]), torch.randint(0, 10, [n])];
  });
}

function train(name: keyof typeof dtypes): { start: nn.StateDict; state: nn.StateDict; last: number; text: string } {
  const { head, criterion } = losses.byName(name);
  torch.manualSeed(42);
  const model = models.convNet({ head }).to(dtypes[name]);
  const start = new Map([...model.stateDict()].map(([key, value]) => [key, value.clone()]));
  // The authors' two steps, so that Python's side is theirs to the letter.
  const loss = criterion({ sequential: true });
  const optimizer = new optim.SGD(model.parameters(), settings);
  let last = 0;
  for (const [images, labels] of batches()) {
    tidy(() => {
      const value = loss.forward(model.forward(images.to(dtypes[name])), labels);
      optimizer.zeroGrad();
      value.backward();
      optimizer.step();
      last = value.item();
    });
  }
  return { start, state: model.stateDict(), last, text: String(model) };
}

const program = `
from torch import nn
import torch.nn.functional as F
exact = dict(p=2.0, compute_mode='donot_use_mm_for_euclid_dist')

class IsoMaxHead(nn.Module):
    def __init__(self, d, c):
        super().__init__()
        self.prototypes = nn.Parameter(torch.zeros(c, d))
    def forward(self, f): return -torch.cdist(f, self.prototypes, **exact)

class IsoMaxPlusHead(nn.Module):
    def __init__(self, d, c):
        super().__init__()
        self.prototypes = nn.Parameter(torch.empty(c, d))
        self.distance_scale = nn.Parameter(torch.ones(1))
        nn.init.normal_(self.prototypes)
    def forward(self, f): return -(self.distance_scale.abs() * torch.cdist(F.normalize(f), F.normalize(self.prototypes), **exact))

class SoftMaxHead(nn.Linear):
    def reset_parameters(self):
        nn.init.uniform_(self.weight, -math.sqrt(1 / self.in_features), math.sqrt(1 / self.in_features))
        nn.init.zeros_(self.bias)

def block(a, b, s=1): return [nn.Conv2d(a, b, 3, stride=s, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]

class ConvNet(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.body = nn.Sequential(*block(1, 16, 2), *block(16, 32), *block(32, 32), *block(32, 64, 2), *block(64, 64),
                                  nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = head
    def forward(self, x): return self.classifier(self.body(x))

def isomax(z, y): return -torch.log(torch.softmax(10.0 * z, dim=1)[range(len(y)), y]).mean()

torch.manual_seed(7)
batches = [(torch.randn(n, 1, 28, 28), torch.randint(0, 10, (n,))) for n in [16] * 9 + [5]]
out = {}
for name, (head, criterion) in {'softmax': (SoftMaxHead, F.cross_entropy), 'isomax': (IsoMaxHead, isomax),
                                'isomaxplus': (IsoMaxPlusHead, isomax)}.items():
    model = ConvNet(head(64, 10))
    # Our constructor makes the body first and the head after it: draw the numbers in that order.
    torch.manual_seed(42)
    for module in model.body:
        if hasattr(module, 'reset_parameters'): module.reset_parameters()
    model.classifier = head(64, 10)
    model.to(getattr(torch, input[name]))
    start = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    for x, y in batches:
        loss = criterion(model(x.to(getattr(torch, input[name]))), y)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    out[name] = {'start': start, 'keys': list(start), 'state': model.state_dict(), 'loss': loss.item(), 'body': repr(model.body)}
emit(out)
`;

interface Reference {
  start: Record<string, TensorJson>;
  keys: string[];
  state: Record<string, TensorJson>;
  loss: number;
  body: string;
}

/** Largest difference, relative to the largest element. */
const difference = (mine: Tensor, theirs: Tensor) =>
  mine.sub(theirs).abs().max().item() / Math.max(theirs.abs().max().item(), Number.MIN_VALUE);

withPython("ten steps from the same seed end with PyTorch's weights, for each loss", () => {
  const theirs: Record<keyof typeof dtypes, Reference> = runPython(program, dtypes);
  for (const name of ['softmax', 'isomax', 'isomaxplus'] as const) {
    const { start, state, last, text } = train(name);
    const reference = theirs[name];
    expect([...state.keys()]).toEqual(reference.keys);
    expect(text).toContain(reference.body.replace(/\n/g, '\n  '));
    for (const [key, value] of start) expect([name, key, encode(value)]).toEqual([name, key, reference.start[key]]);
    const tolerance = name === 'softmax' ? 0 : 1e-9;
    const differing = [...state].filter(([key, value]) => {
      expect(value.dtype).toBe(reference.state[key]!.dtype);
      return !(difference(value, decode(reference.state[key]!)) <= tolerance);
    });
    expect([name, differing.map(([key]) => key)]).toEqual([name, []]);
    expect(Math.abs(last - reference.loss)).toBeLessThanOrEqual(tolerance * reference.loss);
  }
});

describe('convNet', () => {
  it('gives features and logits, in any width and for any channels', () => {
    const model = models.convNet({ inChannels: 3, numClasses: 7, width: 4, head: losses.byName('isomaxplus').head });
    const images = torch.randn([2, 3, 8, 12]);
    const features = model.eval().features(images);
    expect([features.shape, model.numFeatures]).toEqual([[2, 16], 16]);
    expect(model.forward(images).shape).toEqual([2, 7]);
    expect(model.classifier.forward(features).equal(model.forward(images))).toBe(true);
    expect(models.convNet().classifier).toBeInstanceOf(nn.Linear);
  });

  it('trains: on ten fixed images each loss falls below a tenth of its start', () => {
    for (const name of losses.lossNames) {
      const { head, criterion } = losses.byName(name);
      torch.manualSeed(1);
      const model = models.convNet({ head, width: 4 });
      const [images, labels] = [torch.randn([10, 1, 8, 8]), torch.arange(10)];
      const loss = criterion();
      // LogitNorm sees logits of length 25 from the start: its gradients are that much larger.
      const lr = name === 'logitnorm' ? settings.lr / 10 : settings.lr;
      const optimizer = new optim.SGD(model.parameters(), { ...settings, lr });
      const values: number[] = [];
      for (let step = 0; step < 60; step++) {
        tidy(() => {
          const value = loss.forward(model.forward(images), labels);
          optimizer.zeroGrad();
          value.backward();
          optimizer.step();
          values.push(value.item());
        });
      }
      expect([name, values.at(-1)! < values[0]! / 10]).toEqual([name, true]);
    }
  });

  it('keeps memory flat over training steps', () => {
    const model = models.convNet({ head: losses.byName('isomax').head, width: 2 });
    const loss = new losses.IsoMaxLoss();
    const optimizer = new optim.SGD(model.parameters(), settings);
    const [images, labels] = [torch.randn([8, 1, 8, 8]), torch.randint(0, 10, [8])];
    const step = () =>
      tidy(() => {
        const value = loss.forward(model.forward(images), labels);
        optimizer.zeroGrad();
        value.backward();
        optimizer.step();
      });
    for (let i = 0; i < 10; i++) step();
    const after10 = memory();
    for (let i = 0; i < 190; i++) step();
    expect(memory()).toEqual(after10);
  });

  it('refuses other images and settings', () => {
    const model = models.convNet({ width: 2 });
    expect(() => model.forward(torch.ones([2, 3, 8, 8]))).toThrow(
      'expected images of shape [N, 1, H, W], received [2, 3, 8, 8]',
    );
    expect(() => model.forward(torch.ones([1, 8, 8]))).toThrow(code('ERR_SHAPE'));
    expect(() => models.convNet({ width: 0 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => models.convNet({ numClasses: 1.5 })).toThrow(/numClasses/);
    expect(() => models.convNet({ head: 'isomax' as never })).toThrow(/a function that makes the last layer/);
    expect(() => models.convNet({ head: (() => 5) as never })).toThrow(/Expected a Module for the result of head/);
  });
});
