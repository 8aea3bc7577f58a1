// Checkpoints: a state dict of 1 GiB in 64 tensors (ISOTORCH_BENCH_MIB names another size) and one of 10,000 small ones, from
// and to the page cache. Both sides also look at all numbers they loaded, since a mapped file costs nothing until then.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpoint as files, type Tensor, torch } from '../../lib/index.js';
import { safetensorsPath } from '../../test/support/safetensors.js';
import { compare, type Pair, type Report, type Row, versionsOf } from '../compare.js';
import type { Peer } from '../peer.js';

const mebibytes = Number(process.env.ISOTORCH_BENCH_MIB ?? 1024);
const small = 10_000;

type Tensors = Map<string, Tensor>;
/** For a row that is left out where loadTorch has no such option. */
const mapped: object = { mmap: true };

/** Reads everything once and frees it. */
function use(tensors: Tensors): void {
  for (const tensor of tensors.values()) {
    using sum = tensor.sum();
    sum.item();
    tensor.dispose();
  }
}

const clock = async (work: () => Promise<void>): Promise<number> => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

export async function checkpoint(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'isotorch-bench-'));
  try {
    return await measure(folder, peer, report);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string, peer: Peer | undefined, report: Report): Promise<Row[]> {
  const path = (name: string) => join(folder, name);
  const setup = `import sys
sys.path[:0] = ${JSON.stringify([safetensorsPath].filter(Boolean))}
def use(tensors):
    for tensor in tensors.values(): tensor.sum().item()
`;
  const makeLarge = `large = {f"layer.{i}": torch.randn(${mebibytes}, 4096) for i in range(64)}\n`;
  const python = (code: string, extra = '') => peer && (() => peer.time(setup + extra, code, 1));
  const withPackage = (code: string) =>
    safetensorsPath === undefined ? undefined : python(code, 'import safetensors.torch\n');
  // A row of 4,096 float32 is 16 KiB, so 64 tensors with a row for each MiB.
  const large: Tensors = new Map(
    Array.from({ length: 64 }, (_, i) => [`layer.${i}`, torch.randn([mebibytes, 4096])] as const),
  );
  await files.saveTorch(path('large.pt'), large);
  await files.saveSafetensors(path('large.safetensors'), large);
  const many = new Map(Array.from({ length: small }, (_, i) => [`layer.${i}.bias`, torch.randn([16])] as const));
  await files.saveTorch(path('many.pt'), many);

  const load = async () => use(await files.loadTorch<Tensors>(path('large.pt')));
  const loadMapped = async () => use(await files.loadTorch<Tensors>(path('large.pt'), mapped));
  const file = (name: string) => JSON.stringify(path(name));
  const pairs: (Omit<Pair, 'unit' | 'pairs' | 'ours'> & { ours: () => Promise<void>; pairs?: number })[] = [
    {
      name: 'load',
      what: `loadTorch of ${mebibytes} MiB, and the sum of all numbers, against torch.load`,
      ours: load,
      peer: python(`use(torch.load(${file('large.pt')}, weights_only=True))`),
    },
    {
      name: 'load-mmap',
      what: `the same with mmap, against torch.load with mmap`,
      ours: loadMapped,
      peer: python(`use(torch.load(${file('large.pt')}, weights_only=True, mmap=True))`),
      pairs: 15,
    },
    {
      name: 'safetensors',
      what: `loadSafetensors of ${mebibytes} MiB with mmap, and the sum of all numbers, against Python's load_file, which maps too`,
      ours: async () => use(await files.loadSafetensors(path('large.safetensors'), { mmap: true })),
      peer: withPackage(`use(safetensors.torch.load_file(${file('large.safetensors')}))`),
      pairs: 15,
    },
    {
      name: 'safetensors-read',
      what: 'the same without mmap',
      ours: async () => use(await files.loadSafetensors(path('large.safetensors'))),
      peer: withPackage(`use(safetensors.torch.load_file(${file('large.safetensors')}))`),
    },
    {
      name: 'save',
      what: `saveTorch of ${mebibytes} MiB, flushed to the disk, against torch.save, which leaves that to the system`,
      ours: () => files.saveTorch(path('saved.pt'), large),
      peer: python(`torch.save(large, ${file('saved-by-python.pt')})`, makeLarge),
      pairs: 7,
    },
    {
      name: 'many-small',
      what: `loadTorch of ${small} tensors of 16 numbers, against torch.load`,
      ours: async () => use(await files.loadTorch<Tensors>(path('many.pt'))),
      peer: python(`use(torch.load(${file('many.pt')}, weights_only=True))`),
      pairs: 9,
    },
    {
      name: 'first-key',
      what: 'the time until one tensor of the safetensors file is read, against our own loading of the whole file',
      ours: async () => {
        await using opened = await files.openSafetensors(path('large.safetensors'));
        use(new Map([['layer.7', await opened.get('layer.7')]]));
      },
      peer: () => clock(async () => use(await files.loadSafetensors(path('large.safetensors')))),
    },
  ];
  const rows: Row[] = [];
  for (const { ours, pairs: count = 5, ...pair } of pairs) {
    if (pair.name === 'load-mmap' && !(await canMap(path('many.pt')))) continue;
    await ours(); // memory and files are touched
    const row = await compare(
      'checkpoint',
      { ...pair, unit: 's', pairs: count, ours: () => clock(ours) },
      versionsOf(peer),
    );
    report(row);
    rows.push(row);
  }
  return rows;
}

/** Whether loadTorch has the option: then it minds what it is given. */
const canMap = (path: string): Promise<boolean> =>
  files.loadTorch(path, { mmap: 'no boolean' } as object).then(
    () => false,
    () => true,
  );
