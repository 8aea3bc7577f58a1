// Training's memory: flat over a thousand steps, and the process's peak no more than 1.2 times Python's for the same loop.

import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { losses, memory, models, optim, tidy, torch } from '../lib/index.js';
import { python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

describe('a thousand eager training steps', () => {
  it('leave memory() where it was after ten', () => {
    torch.manualSeed(0);
    const { head, criterion: makeCriterion } = losses.byName('isomax');
    const net = models.convNet({ head, width: 2 });
    const criterion = makeCriterion();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true });
    const images = torch.randn([4, 1, 8, 8]);
    const labels = torch.tensor([0, 1, 2, 3]);
    const step = () =>
      tidy(() => {
        const loss = criterion.forward(net.forward(images), labels);
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
      });
    for (let i = 0; i < 10; i++) step();
    const after10 = memory();
    for (let i = 0; i < 990; i++) step();
    expect(memory()).toEqual(after10);
  });
});

const { it: withPython } = needs(python, 'a Python that has torch');
withPython(
  'peak memory of the same loop is at most 1.2 times Python’s',
  () => {
    const steps = 15;
    const entry = new URL('../dist/index.js', import.meta.url).href;
    const ours = execFileSync(process.execPath, [
      '--input-type=module',
      '-e',
      `import { readFileSync } from 'node:fs';
     import { losses, models, optim, tidy, torch } from ${JSON.stringify(entry)};
     const { head, criterion: make } = losses.byName('isomax');
     const net = models.convNet({ head }), criterion = make();
     const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
     const images = torch.randn([128, 1, 28, 28]), labels = torch.randint(10, [128]);
     for (let i = 0; i < ${steps}; i++) tidy(() => {
       const loss = criterion.forward(net.forward(images), labels);
       optimizer.zeroGrad();
       loss.backward();
       optimizer.step();
     });
     console.log(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);`,
    ]);
    const theirs = runPython(`
    from torch import nn
    def block(i, o, s=1): return [nn.Conv2d(i, o, 3, stride=s, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.prototypes = nn.Parameter(torch.zeros(10, 64))
        def forward(self, f): return -torch.cdist(f, self.prototypes, p=2.0, compute_mode='donot_use_mm_for_euclid_dist')
    net = nn.Sequential(*block(1, 16, 2), *block(16, 32), *block(32, 32), *block(32, 64, 2), *block(64, 64),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), Head())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    images, labels = torch.randn(128, 1, 28, 28), torch.randint(10, (128,))
    for _ in range(${steps}):
        loss = nn.functional.cross_entropy(10 * net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    emit(int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]))`);
    console.log(`peak memory: ours ${(Number(ours) / 1024).toFixed(0)} MiB, Python ${(theirs / 1024).toFixed(0)} MiB`);
    expect(Number(ours)).toBeLessThan(1.2 * theirs);
  },
  240_000,
);
