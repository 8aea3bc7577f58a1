// The most memory that a process held while it trained ResNet-18 for some steps, batch 32: what the kernel calls VmHWM, in a
// fresh process for each measurement.

import { spawnSync } from 'node:child_process';
import { python } from '../../test/support/python.js';
import { compare, type Report, type Row, versionsOf } from '../compare.js';
import type { Peer } from '../peer.js';
import { pythonResNet18 } from './step.js';

const steps = 6;
const entry = new URL('../../dist/index.js', import.meta.url).href;

const ours = `import { readFileSync } from 'node:fs';
import { capture, losses, models, optim, torch } from ${JSON.stringify(entry)};
const net = models.resnet18(), criterion = new losses.SoftMaxLoss();
const sgd = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9, nesterov: true });
const step = capture((x, y) => {
  const loss = criterion.forward(net.forward(x), y);
  sgd.zeroGrad();
  loss.backward();
  sgd.step();
  return { loss };
});
const x = torch.randn([32, 3, 32, 32]), y = torch.randint(10, [32]);
function* batches() { for (let i = 0; i < ${steps}; i++) yield [x, y]; }
await step.repeat(batches());
console.log(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);`;

const theirs = `import torch
${pythonResNet18}
net = resnet18()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True)
x, y = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))
for _ in range(${steps}):
    loss = nn.functional.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])`;

const peak = (command: string, args: string[]) => async () => {
  const ended = spawnSync(command, args, { encoding: 'utf8' });
  const kilobytes = Number(ended.stdout);
  if (ended.status !== 0 || !(kilobytes > 0)) throw new Error(ended.stderr || ended.stdout);
  return kilobytes / 1024;
};

export async function memory(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const row = await compare(
    'memory',
    {
      name: 'resnet18',
      what: 'peak memory of a process that trains ResNet-18 with captured steps, batch 32, against eager PyTorch',
      unit: 'MiB',
      ours: peak(process.execPath, ['--input-type=module', '-e', ours]),
      peer: python ? peak(python, ['-c', theirs]) : undefined,
      pairs: 3,
    },
    versionsOf(peer),
  );
  report(row);
  return [row];
}
