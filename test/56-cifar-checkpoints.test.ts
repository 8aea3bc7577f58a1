// Two networks that others trained, from files of a PyTorch before 1.6: run here on CIFAR-10's test images, they are right as
// often as in PyTorch, to the image.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { capture, checkpoint, models, type Tensor, tidy, torch } from '../lib/rooms.js';
import { needs } from './support/skip.js';

const root = process.env.ISOTORCH_TEST_DATA ?? '';
const images = join(root, 'cifar-10', 'test_batch.bin.xz');
const file = (name: string) => join(root, 'checkpoints', name);
const have = existsSync(images) && existsSync(file('resnet20-12fca82f.th')) && spawnSync('xz', ['-V']).status === 0;

needs(have, 'CIFAR-10 and its checkpoints, and xz').it(
  'ResNet-20 is right on 91.73 %, ResNet-32 on 92.63 % of the images',
  async () => {
    const { stdout } = spawnSync('xz', ['-dc', images], { maxBuffer: 64e6 });
    // The official binary layout: a label, then 3 × 32 × 32 pixels.
    const records = torch.fromBuffer(stdout, { dtype: 'uint8', shape: [10_000, 3073] });
    const labels = records.select(1, 0).to('int64');
    const mean = torch.tensor([0.485, 0.456, 0.406], { dtype: 'float32' }).view([3, 1, 1]);
    const std = torch.tensor([0.229, 0.224, 0.225], { dtype: 'float32' }).view([3, 1, 1]);
    const right = async (model: models.CifarResNet, name: string) => {
      const saved = await checkpoint.loadTorch<Map<string, Map<string, Tensor>>>(file(name));
      model.loadStateDict(saved.get('state_dict')!, { prefix: 'module.' });
      model.eval();
      const count = capture((batch: Tensor, wanted: Tensor) =>
        torch.inferenceMode(() => {
          const pixels = batch.narrow(1, 1, 3072).reshape([-1, 3, 32, 32]).to('float32').div(255);
          return model.forward(pixels.sub(mean).div(std)).argmax(1).eq(wanted).sum().clone();
        }),
      );
      function* batches(): Generator<[Tensor, Tensor]> {
        for (let i = 0; i < 10_000; i += 500) yield [records.narrow(0, i, 500), labels.narrow(0, i, 500)];
      }
      const counts = await count.repeat(batches());
      return tidy(() => counts.sum().item());
    };
    expect(await right(models.resnet20(), 'resnet20-12fca82f.th')).toBe(9173);
    expect(await right(models.resnet32(), 'resnet32-d509ac18.th')).toBe(9263);
  },
  120_000,
);
