// Damages checkpoints at random, looks into them and reads them. Targets: the file as it is; the pickle inside, in an archive that
// is sound again, since its checksum would stop all damage before the pickle machine sees it; the archive's own structure,
// with its checksums off; and files of the two older formats, the tar archive's checksums mended half of the time.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatTorchTree, inspectTorch, loadTorch, OrderedDict, saveTorch } from '../../lib/checkpoint/index.js';
import { openSource } from '../../lib/checkpoint/source.js';
import { ZipReader } from '../../lib/checkpoint/zip/reader.js';
import { IsotorchError } from '../../lib/errors.js';
import { Parameter, Tensor, tidy, torch } from '../../lib/tensor/index.js';
import { archive, damage, randomFrom } from './checkpoints.js';
import { streamSample, tarSample, withChecksums } from './oldCheckpoints.js';

export interface FuzzOptions {
  target: 'file' | 'pickle' | 'archive' | 'stream' | 'tar';
  runs: number;
  seed: number;
  /** Reads from a file that is mapped into memory, whose checksums nobody looks at. */
  mapped?: boolean;
}

export interface FuzzResult {
  refused: number;
  read: number;
  /** Milliseconds. */
  slowest: number;
}

/** @throws if anything but ERR_FORMAT comes, with the seed that repeats it. */
export async function fuzz({ target, runs, seed, mapped = false }: FuzzOptions): Promise<FuzzResult> {
  const samples =
    target === 'stream' || target === 'tar'
      ? [target === 'stream' ? streamSample() : tarSample()].map((sample) => ({ sample, records: {} }))
      : await Promise.all((await makeSamples()).map(async (sample) => ({ sample, records: await recordsOf(sample) })));
  const result: FuzzResult = { refused: 0, read: 0, slowest: 0 };
  const folder = mapped ? mkdtempSync(join(tmpdir(), 'isotorch-fuzz-')) : undefined;
  for (let run = 0; run < runs; run++) {
    const random = randomFrom(seed * 1_000_003 + run);
    const { sample, records } = samples[run % samples.length] as (typeof samples)[number];
    const input = await damaged(target, sample, records, random);
    const start = performance.now();
    try {
      await inspected(input);
      exercise(await (folder ? loadMapped(join(folder, `${run}.pt`), input) : loadTorch(input)));
      result.read += 1;
    } catch (error) {
      if (!(error instanceof IsotorchError) || error.code !== 'ERR_FORMAT') {
        throw new Error(`Damage to ${target}, seed ${seed}, run ${run}, gave another error than ERR_FORMAT`, {
          cause: error,
        });
      }
      result.refused += 1;
    }
    result.slowest = Math.max(result.slowest, performance.now() - start);
  }
  if (folder) rmSync(folder, { recursive: true, force: true });
  return result;
}

/** The mapping outlives the name. */
async function loadMapped(path: string, input: Uint8Array): Promise<unknown> {
  writeFileSync(path, input);
  try {
    return await loadTorch(path, { mmap: true });
  } finally {
    rmSync(path);
  }
}

async function damaged(
  target: FuzzOptions['target'],
  sample: Uint8Array,
  records: Record<string, Uint8Array>,
  random: () => number,
): Promise<Uint8Array> {
  if (target === 'file' || target === 'stream') return damage(sample, random);
  // A header's checksum would stop most of it.
  if (target === 'tar') return random() < 0.5 ? damage(sample, random) : withChecksums(damage(sample, random));
  if (target === 'pickle')
    return archive({ ...records, 'data.pkl': damage(records['data.pkl'] as Uint8Array, random) });
  // Only from the directory on, and only its numbers matter: the checksums are 0, which stands for none.
  const copy = withoutChecksums(sample);
  const start = copy.indexOf('PK\x01\x02', 0, 'latin1');
  return Buffer.concat([copy.subarray(0, start), damage(copy.subarray(start), random)]);
}

function withoutChecksums(sample: Uint8Array): Buffer {
  const copy = Buffer.from(sample);
  for (let at = copy.indexOf('PK\x01\x02', 0, 'latin1'); at !== -1; at = copy.indexOf('PK\x01\x02', at + 1, 'latin1'))
    copy.writeUInt32LE(0, at + 16);
  return copy;
}

/** Looking is as safe as loading, and sees whatever loading sees. */
async function inspected(input: Uint8Array): Promise<void> {
  try {
    formatTorchTree(await inspectTorch(input));
  } catch (error) {
    if (!(error instanceof IsotorchError) || error.code !== 'ERR_FORMAT') throw error;
  }
}

/** Reads every element of every tensor, which a wrong window would make crash. */
function exercise(value: unknown): void {
  const seen = new Set<unknown>();
  const walk = (item: unknown): void => {
    if (typeof item !== 'object' || item === null || seen.has(item)) return;
    seen.add(item);
    if (item instanceof Tensor) {
      // An expanded tensor can have more elements than memory; LibTorch would say so, but slowly.
      if (item.numel() < 1e6) tidy(() => void item.toArraySync());
      item.dispose();
    } else if (item instanceof Map) {
      for (const [key, content] of item) {
        walk(key);
        walk(content);
      }
    } else if (Array.isArray(item) || item instanceof Set) {
      for (const content of item) walk(content);
    }
  };
  walk(value);
}

async function makeSamples(): Promise<Uint8Array[]> {
  const state = new OrderedDict<string, unknown>([
    ['conv.weight', new Parameter(torch.randn([2, 1, 3, 3]))],
    ['norm.num_batches_tracked', torch.tensor(3)],
    ['mask', torch.tensor([true, false, true])],
    ['empty', torch.empty([0, 3])],
  ]);
  state._metadata = new OrderedDict([['', new Map([['version', 1]])]]);
  const base = torch.randn([4, 6]);
  const objects = [
    state,
    [
      base,
      base.t(),
      base.narrow(1, 1, 3),
      base.narrow(0, 1, 1).expand([3, 6]),
      torch.tensor([1, 2]).to('uint16'),
      torch.ones([2], { requiresGrad: true }),
    ],
    {
      epoch: 3,
      lr: 0.1,
      big: 2n ** 70n,
      text: 'ünï',
      none: null,
      sets: new Set([1, 'a']),
      bytes: Uint8Array.of(1, 2),
      tuple: Object.freeze([1, [2]]),
      state: new Map([[0, { m: torch.ones([3]) }]]),
    },
  ];
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-fuzz-'));
  try {
    const path = join(folder, 'x.pt');
    const samples: Uint8Array[] = [];
    for (const object of objects) {
      await saveTorch(path, object);
      samples.push(readFileSync(path));
    }
    return samples;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function recordsOf(sample: Uint8Array): Promise<Record<string, Uint8Array>> {
  const zip = await ZipReader.open(await openSource(sample));
  const records: Record<string, Uint8Array> = {};
  for (const [name, entry] of zip.entries) records[name.slice(name.indexOf('/') + 1)] = await zip.read(entry, 1e6);
  return records;
}
