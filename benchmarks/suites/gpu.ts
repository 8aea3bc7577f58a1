// ResNet-18 for 32×32 on an accelerator: training and inference in bfloat16 and channels_last, against eager PyTorch and
// against torch.compile(mode="max-autotune"), with how idle the device is and what share of its peak is reached. Without an
// accelerator the same runs in miniature on the CPU, so that one command does it where there is one.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { autocast, capture, losses, models, optim, type Tensor, torch } from '../../lib/index.js';
import { machine, type Report, type Row, time, versionsOf } from '../compare.js';
import type { Peer } from '../peer.js';
import { pythonResNet18 } from './step.js';

/** Multiply-adds of one image's forward pass at width 64 on 32×32, times two. */
const flopsForward = 2 * 0.5569e9;
/** Dense bfloat16 peaks in FLOP/s, from NVIDIA's data sheets. */
const peaks: [pattern: RegExp, flops: number][] = [
  [/H100|H200/, 989e12],
  [/A100/, 312e12],
];

const accelerator = torch.accelerator();
const device = accelerator ?? 'cpu';
const kind = device === 'cuda' ? 'cuda' : 'cpu';
const width = accelerator ? 64 : 8;
const batches = accelerator ? [128, 512] : [8];

const python = (batch: number, compiled: boolean) => `${pythonResNet18}
net = resnet18(${width}).to('${device}', memory_format=torch.channels_last)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, fused=True)
x = torch.randn(${batch}, 3, 32, 32, device='${device}').to(memory_format=torch.channels_last)
y = torch.randint(10, (${batch},), device='${device}')
torch.backends.cudnn.benchmark = True
fast = ${compiled ? "torch.compile(net, mode='max-autotune')" : 'net'}
def train():
    with torch.autocast('${kind}', torch.bfloat16): loss = nn.functional.cross_entropy(fast(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
def infer():
    with torch.inference_mode(), torch.autocast('${kind}', torch.bfloat16): fast(x)
net.MODE()`;

/** Ours, as functions that do it `count` times. */
function captured(batch: number) {
  torch.backends.cudnn.benchmark = true;
  const net = models.resnet18({ width }).to({ device, memoryFormat: 'channels_last' });
  const criterion = new losses.SoftMaxLoss();
  const sgd = new optim.SGD(net.parameters(), { lr: 0.01, momentum: 0.9, nesterov: true });
  const images = torch.randn([batch, 3, 32, 32], { device }).to({ memoryFormat: 'channels_last' });
  const labels = torch.randint(10, [batch], { device });
  const train = capture((x: Tensor, y: Tensor) => {
    const loss = autocast(kind, 'bfloat16', () => criterion.forward(net.forward(x), y));
    sgd.zeroGrad();
    loss.backward();
    sgd.step();
    return { loss };
  });
  const infer = capture((x: Tensor) => ({
    best: torch.inferenceMode(() => autocast(kind, 'bfloat16', () => net.forward(x)).amax()),
  }));
  function* items<T>(item: T, count: number): Generator<T> {
    for (let i = 0; i < count; i++) yield item;
  }
  return {
    train: async (count: number) => {
      net.train();
      (await train.repeat(items([images, labels] as [Tensor, Tensor], count))).loss.dispose();
    },
    infer: async (count: number) => {
      net.eval();
      (await infer.repeat(items([images] as [Tensor], count))).best.dispose();
    },
    status: () => train.records[0]?.graph ?? '',
  };
}

/** Percent of the time in which the device computed nothing, by NVIDIA's own counter. */
async function idleShare(work: () => Promise<void>): Promise<number | undefined> {
  const args = ['--query-gpu=utilization.gpu', '--format=csv,noheader,nounits', '-lms', '100'];
  const smi = spawn('nvidia-smi', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const missing = once(smi, 'error').then(() => true);
  let text = '';
  smi.stdout.on('data', (chunk) => {
    text += chunk;
  });
  await work();
  smi.kill();
  if (await Promise.race([missing, Promise.resolve(false)])) return undefined;
  const samples = text
    .split('\n')
    .map(Number)
    .filter((value) => value > 0);
  const steady = samples.slice(2, -1);
  return steady.length === 0 ? undefined : 100 - steady.reduce((a, b) => a + b) / steady.length;
}

export async function gpu(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const rows: Row[] = [];
  const add = (row: Row) => {
    report(row);
    rows.push(row);
  };
  const where = accelerator ? '' : ' (a miniature on the CPU)';
  for (const batch of batches) {
    const ours = captured(batch);
    for (const mode of ['train', 'infer'] as const) {
      for (const against of ['eager', 'compile'] as const) {
        const row = await time(
          'gpu',
          {
            name: `${mode}-${batch}-vs-${against}`,
            what: `ResNet-18 at width ${width}, 32×32, batch ${batch}, bfloat16, channels_last: a captured ${mode === 'train' ? 'training' : 'inference'} step against ${against === 'eager' ? 'eager PyTorch' : 'torch.compile(mode="max-autotune")'}${where}`,
            ours: ours[mode],
            python: {
              setup: python(batch, against === 'compile').replace('MODE', mode === 'train' ? 'train' : 'eval'),
              statement: `${mode}()`,
            },
            pairs: accelerator ? 11 : 3,
            seconds: accelerator ? 1 : 0.2,
            unit: 'ms',
          },
          peer,
        ).catch((error: Error) => {
          const lines = error.message.trim().split('\n');
          const reason = lines.find((line) => line.includes('Error')) ?? lines.at(-1);
          console.error(`gpu.${mode}-${batch}-vs-${against}: left out, since the peer failed: ${reason}`);
          return undefined;
        });
        if (row) add(row);
      }
    }
    console.log(`  batch ${batch}: the training step is ${ours.status() || 'replayed operator by operator'}`);
    if (!accelerator) continue;
    const base = { suite: 'gpu', peer: null, ratio: null, spread: null, n: 1, machine: machine() };
    const versions = { node: process.version, libtorch: torch.version, ...versionsOf(peer) };
    const milliseconds = rows.find(({ name }) => name === `train-${batch}-vs-eager`)!.ours;
    const idle = await idleShare(async () => {
      await ours.train(Math.ceil(4000 / milliseconds));
      torch.cuda.synchronize();
    });
    if (idle !== undefined)
      add({
        ...base,
        versions,
        name: `idle-${batch}`,
        what: 'percent of the time in which the device computed nothing while training',
        ours: idle,
        unit: '%',
      });
    const peak = peaks.find(([pattern]) => pattern.test(deviceName()))?.[1];
    if (peak !== undefined) {
      const share = (100 * 3 * flopsForward * batch) / (milliseconds / 1000) / peak;
      add({
        ...base,
        versions,
        name: `peak-${batch}`,
        what: 'percent of the device’s dense bfloat16 peak that training reaches',
        ours: share,
        unit: '%',
      });
    }
  }
  return rows;
}

function deviceName(): string {
  return spawnSync('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], { encoding: 'utf8' }).stdout ?? '';
}
