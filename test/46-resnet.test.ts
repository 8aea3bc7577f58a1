// ResNets beside their twins in Python, written there from torchvision's layout: the same keys, the same first weights from
// the same seed, and training steps that end with the same weights, bit for bit.

import { expect, it } from 'vitest';
import { models, nn, optim, type Tensor, tidy, torch } from '../lib/rooms.js';
import { encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const { it: withPython } = needs(python, 'a Python that has torch');

const program = `
from torch import nn
class Block(nn.Module):
    def __init__(self, a, b, s, downsample):
        super().__init__()
        self.conv1 = nn.Conv2d(a, b, 3, s, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(b)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(b)
        self.downsample = downsample
    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)

class ResNet(nn.Module):
    def __init__(self, blocks, inputs, classes, width, stem):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, 1, 1, bias=False) if stem == 'small' else nn.Conv2d(inputs, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if stem == 'small' else nn.MaxPool2d(3, 2, 1)
        at = width
        for i, count in enumerate(blocks):
            to, stride, layer = width * 2 ** i, 1 if i == 0 else 2, []
            for k in range(count):
                s = stride if k == 0 else 1
                down = nn.Sequential(nn.Conv2d(at, to, 1, s, bias=False), nn.BatchNorm2d(to)) if s != 1 or at != to else None
                layer.append(Block(at, to, s, down))
                at = to
            setattr(self, f'layer{i + 1}', nn.Sequential(*layer))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(at, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d): nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')
    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4): x = layer(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))

def run(case):
    torch.manual_seed(42)
    net = ResNet(case['blocks'], 3, 7, case['width'], case['stem'])
    start = {k: v.clone() for k, v in net.state_dict().items()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    for images, labels in case['batches']:
        loss = nn.functional.cross_entropy(net(T(images)), T(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {'keys': list(start), 'start': start, 'end': net.state_dict()}
emit([run(case) for case in input])
`;

withPython('ResNet-18 and -34, both stems, train as in Python, bit for bit', () => {
  const cases = [
    { make: models.resnet18, blocks: [2, 2, 2, 2], width: 8, stem: 'small', size: 16 },
    { make: models.resnet34, blocks: [3, 4, 6, 3], width: 4, stem: 'large', size: 64 },
  ] as const;
  torch.manualSeed(1);
  const data = cases.map(({ size }) =>
    Array.from({ length: 3 }, () => [torch.randn([4, 3, size, size]), torch.randint(7, [4])] as [Tensor, Tensor]),
  );
  const theirs = runPython(
    program,
    cases.map(({ blocks, width, stem }, i) => ({
      blocks,
      width,
      stem,
      batches: data[i]!.map(([images, labels]) => [encode(images), encode(labels)]),
    })),
  );
  const plain = (state: nn.StateDict) =>
    Object.fromEntries([...state].map(([key, tensor]) => [key, encode(tensor.contiguous())]));
  for (const [i, { make, width, stem }] of cases.entries()) {
    torch.manualSeed(42);
    const model = make({ numClasses: 7, width, stem });
    expect([...model.stateDict().keys()]).toEqual(theirs[i].keys);
    expect(plain(model.stateDict())).toEqual(theirs[i].start);
    const optimizer = new optim.SGD(model.parameters(), { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
    for (const [images, labels] of data[i]!)
      tidy(() => {
        const loss = torch.crossEntropyLoss(model.forward(images), labels);
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
      });
    expect(plain(model.stateDict())).toEqual(theirs[i].end);
  }
});

it('takes any head, and tells of sizes that can’t be', () => {
  const model = models.resnet18({
    inChannels: 1,
    numClasses: 3,
    width: 2,
    head: (d, c) => new nn.Linear(d, c, { bias: false }),
  });
  expect(model.numFeatures).toBe(16);
  expect(model.forward(torch.randn([2, 1, 8, 8])).shape).toEqual([2, 3]);
  expect(model.features(torch.randn([2, 1, 8, 8])).shape).toEqual([2, 16]);
  const code = expect.objectContaining({ code: 'ERR_ARGUMENT' });
  expect(() => models.resnet18({ width: 0 })).toThrow(code);
  expect(() => models.resnet18({ stem: 'huge' as 'small' })).toThrow(code);
  expect(() => models.resnet18({ head: 'isomax' as never })).toThrow(code);
});
