// A study small enough for tests: networks with random weights, images of a few pixels, and the manifest that brings them
// together.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveNpy, saveTorch } from '../../lib/checkpoint/index.js';
import { SeededRandom } from '../../lib/data/index.js';
import { byName, type LossName } from '../../lib/losses/index.js';
import { convNet } from '../../lib/models/index.js';
import { torch } from '../../lib/tensor/index.js';

export const classes = 3;

export interface StudyOptions {
  /** One network for each. */
  losses?: readonly LossName[];
  /** How many unknown sets there are; half of them near. */
  unknown?: number;
  detectors: readonly string[];
  /** More of the manifest. */
  more?: string;
}

/** Writes images, weights and manifest.yaml into a folder; the path of the latter. */
export async function makeStudy(
  folder: string,
  { losses = ['softmax', 'softmax'], unknown = 2, detectors, more = '' }: StudyOptions,
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await writeImages(folder, 'train', 90, true);
  await writeImages(folder, 'test', 40, true);
  const sets = Array.from({ length: unknown }, (_, i) => `u${i}`);
  for (const name of sets) await writeImages(folder, name, 30, false);
  const checkpoints = losses.map((loss, i) => ({ name: `n${i}`, loss, weights: `n${i}.pt` }));
  for (const [i, { loss, weights }] of checkpoints.entries()) await writeWeights(join(folder, weights), loss, i);
  const near = sets.slice(0, Math.floor(unknown / 2));
  const setOf = (name: string): string => `{ npy: ${name}.npy }`;
  const path = join(folder, 'manifest.yaml');
  writeFileSync(
    path,
    `name: study
checkpoints:
${checkpoints.map(({ name, loss, weights }) => `  - { name: ${name}, weights: ${weights}, model: convnet, loss: ${loss} }\n`).join('')}id:
  name: known
  train: { npy: train.npy, labels: train-labels.npy }
  test: { npy: test.npy, labels: test-labels.npy }
ood:
  near: [${near.map(setOf).join(', ')}]
  far: [${sets.slice(near.length).map(setOf).join(', ')}, uniform-noise]
detectors:
${detectors.map((each) => `  - ${each}\n`).join('')}out: out
${more}`,
  );
  return path;
}

/** Blobs whose place says the class; another place and much noise where they are unknown. */
async function writeImages(folder: string, name: string, count: number, known: boolean): Promise<void> {
  const random = new SeededRandom(`study ${name}`, 0);
  const pixels = new Uint8Array(count * 64);
  for (let i = 0; i < count; i++)
    for (let at = 0; at < 64; at++) {
      const bright = known ? Math.floor(at / 22) === i % classes : (at + i) % 7 < 2;
      pixels[i * 64 + at] = (bright ? 150 : 30) + (random.uint32() % (known ? 50 : 100));
    }
  using images = torch.fromBuffer(pixels, { dtype: 'uint8', shape: [count, 8, 8] });
  await saveNpy(join(folder, `${name}.npy`), images);
  if (!known) return;
  const values = Int32Array.from({ length: count }, (_, i) => i % classes);
  using labels = torch.fromBuffer(values, { dtype: 'int32', shape: [count] });
  await saveNpy(join(folder, `${name}-labels.npy`), labels);
}

/** Those of a network that was never trained. */
export async function writeWeights(path: string, loss: LossName, seed: number): Promise<void> {
  torch.manualSeed(seed);
  using model = convNet({ numClasses: classes, head: byName(loss).head });
  const state = model.stateDict();
  await saveTorch(path, state);
  for (const tensor of state.values()) tensor.dispose();
}
