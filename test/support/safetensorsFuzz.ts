// Damages safetensors files at random and reads them: the file as it is, and its header alone, in a file whose length fits again.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSafetensors, saveSafetensors } from '../../lib/checkpoint/index.js';
import { IsotorchError } from '../../lib/errors.js';
import { type Tensor, tidy, torch } from '../../lib/tensor/index.js';
import { damage, randomFrom } from './checkpoints.js';
import { safetensorsOf } from './safetensors.js';

export interface SafetensorsFuzzResult {
  refused: number;
  read: number;
  /** Milliseconds. */
  slowest: number;
}

/** @throws if anything but ERR_FORMAT comes (or ERR_DTYPE: U8 may become F4), with the seed that repeats it. */
export async function fuzzSafetensors(
  target: 'file' | 'header',
  runs: number,
  seed: number,
): Promise<SafetensorsFuzzResult> {
  const sample = await makeSample();
  const start = 8 + Number(sample.readBigUInt64LE());
  const [header, data] = [sample.subarray(8, start), sample.subarray(start)];
  const result: SafetensorsFuzzResult = { refused: 0, read: 0, slowest: 0 };
  for (let run = 0; run < runs; run++) {
    const random = randomFrom(seed * 1_000_003 + run);
    const input =
      target === 'file'
        ? damage(sample, random)
        : Buffer.concat([safetensorsOf(random() < 0.5 ? damage(header, random) : renumbered(header, random)), data]);
    const began = performance.now();
    try {
      exercise(await loadSafetensors(input));
      result.read += 1;
    } catch (error) {
      if (!(error instanceof IsotorchError) || (error.code !== 'ERR_FORMAT' && error.code !== 'ERR_DTYPE'))
        throw new Error(`Damage to ${target}, seed ${seed}, run ${run}, gave another error than ERR_FORMAT`, {
          cause: error,
        });
      result.refused += 1;
    }
    result.slowest = Math.max(result.slowest, performance.now() - began);
  }
  return result;
}

/** Another number or dtype in the place of one. */
function renumbered(header: Buffer, random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  const odd = [
    '0',
    '1',
    '-1',
    '3',
    '9007199254740993',
    '4294967296',
    '18446744073709551615',
    '1e3',
    '[]',
    '"F4"',
    '"U16"',
  ];
  const text = header.toString();
  const places = [...text.matchAll(/\d+|"[A-Z]+\d*"/g)];
  const place = places[below(places.length)] as RegExpMatchArray & { index: number };
  return Buffer.from(text.slice(0, place.index) + odd[below(odd.length)] + text.slice(place.index + place[0].length));
}

function exercise(tensors: Map<string, Tensor>): void {
  for (const tensor of tensors.values()) {
    tidy(() => void tensor.toArraySync());
    tensor.dispose();
  }
}

async function makeSample(): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-fuzz-'));
  try {
    const path = join(folder, 'x.safetensors');
    const tensors = {
      weight: torch.randn([2, 3]),
      mask: torch.tensor([true, false, true]),
      empty: torch.empty([0, 3]),
      'ünï "x"': torch.tensor([1, 2]).to('uint16'),
      bytes: torch.ones([5], { dtype: 'uint8' }),
      scalar: torch.tensor(2n),
    };
    await saveSafetensors(path, tensors, { metadata: { format: 'pt' } });
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
