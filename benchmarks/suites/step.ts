// Whole training steps, forward, backward and update: captured here, eager in Python, with the same network, batch and recipe.
// `step.repeat` is how a loop runs here; `mlp-await` shows what a step costs that is awaited alone.

import { capture, losses, models, nn, optim, type Tensor, torch } from '../../lib/rooms.js';
import { type Report, type Row, type Timed, time } from '../compare.js';
import type { Peer } from '../peer.js';

const recipe = { lr: 0.01, momentum: 0.9, nesterov: true } as const;
const optimizer = (fused: boolean) =>
  `torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True${fused ? ', fused=True' : ''})`;

interface Work {
  net: nn.Module;
  images: Tensor;
  labels: Tensor;
}

/** One captured step, and how to run it many times. */
function captured({ net, images, labels }: Work) {
  const criterion = new losses.SoftMaxLoss();
  const sgd = new optim.SGD(net.parameters(), recipe);
  const step = capture((x: Tensor, y: Tensor) => {
    const loss = criterion.forward(net.forward(x), y);
    sgd.zeroGrad();
    loss.backward();
    sgd.step();
    return { loss };
  });
  function* batches(count: number): Generator<[Tensor, Tensor]> {
    for (let i = 0; i < count; i++) yield [images, labels];
  }
  return {
    repeated: async (count: number) => (await step.repeat(batches(count))).loss.dispose(),
    awaited: async (count: number) => {
      for (let i = 0; i < count; i++) (await step(images, labels)).loss.dispose();
    },
  };
}

const loop = `
def step():
    loss = torch.nn.functional.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()`;

const mlp = {
  make: (): Work => ({
    net: new nn.Sequential(
      new nn.Linear(64, 64),
      new nn.ReLU(),
      new nn.Linear(64, 64),
      new nn.ReLU(),
      new nn.Linear(64, 10),
    ),
    images: torch.randn([32, 64]),
    labels: torch.randint(10, [32]),
  }),
  python: `
from torch import nn
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
x, y = torch.randn(32, 64), torch.randint(10, (32,))`,
};

/** LeCun's LeNet-5 with ReLU and max pooling, on 28×28. */
const lenet = {
  make: (): Work => ({
    net: new nn.Sequential(
      new nn.Conv2d(1, 6, 5, { padding: 2 }),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Conv2d(6, 16, 5),
      new nn.ReLU(),
      new nn.MaxPool2d(2),
      new nn.Flatten(),
      new nn.Linear(400, 120),
      new nn.ReLU(),
      new nn.Linear(120, 84),
      new nn.ReLU(),
      new nn.Linear(84, 10),
    ),
    images: torch.randn([64, 1, 28, 28]),
    labels: torch.randint(10, [64]),
  }),
  python: `
from torch import nn
net = nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
x, y = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))`,
};

/** The layout of torchvision's, with a 3×3 first layer: written out, since torchvision need not be there. */
export const pythonResNet18 = `
from torch import nn
class Block(nn.Module):
    def __init__(self, a, b, s):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, s, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Sequential(nn.Conv2d(a, b, 1, s, bias=False), nn.BatchNorm2d(b)) if s != 1 or a != b else None
    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        return self.relu(y)
def resnet18(w=64, head=None):
    layers, at = [nn.Conv2d(3, w, 3, 1, 1, bias=False), nn.BatchNorm2d(w), nn.ReLU(inplace=True)], w
    for i in range(4):
        for s in (1 if i == 0 else 2, 1):
            layers.append(Block(at, w * 2 ** i, s))
            at = w * 2 ** i
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head or nn.Linear(at, 10))`;

const resnet = {
  make: (): Work => ({
    net: models.resnet18(),
    images: torch.randn([32, 3, 32, 32]),
    labels: torch.randint(10, [32]),
  }),
  python: `${pythonResNet18}
net = resnet18()
x, y = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))`,
};

export async function step(peer: Peer | undefined, report: Report): Promise<Row[]> {
  torch.manualSeed(0);
  const small = captured(mlp.make());
  const python = (net: string, fused: boolean) => ({
    setup: `${net}\noptimizer = ${optimizer(fused)}\n${loop}`,
    statement: 'step()',
  });
  const works: Timed[] = [
    {
      name: 'mlp',
      what: 'a captured step of an MLP 64-64-64-10, batch 32, SGD with Nesterov, against the default torch.optim.SGD',
      ours: small.repeated,
      python: python(mlp.python, false),
      seconds: 0.2,
    },
    {
      name: 'mlp-fused',
      what: 'the same against torch.optim.SGD(fused=True)',
      ours: small.repeated,
      python: python(mlp.python, true),
      seconds: 0.2,
    },
    {
      name: 'mlp-await',
      what: 'the same as mlp with each step awaited alone',
      ours: small.awaited,
      python: python(mlp.python, false),
      seconds: 0.2,
    },
    {
      name: 'lenet',
      what: 'a captured step of LeNet-5, batch 64, against the default torch.optim.SGD',
      ours: captured(lenet.make()).repeated,
      python: python(lenet.python, false),
      seconds: 0.4,
    },
    {
      name: 'resnet18',
      what: 'a captured step of ResNet-18 for 32×32 at width 64, batch 32, against the default torch.optim.SGD',
      ours: captured(resnet.make()).repeated,
      python: python(resnet.python, false),
      seconds: 1,
      pairs: 11,
      unit: 'ms',
    },
  ];
  const rows: Row[] = [];
  for (const work of works) {
    const row = await time('step', work, peer);
    report(row);
    rows.push(row);
  }
  return rows;
}
