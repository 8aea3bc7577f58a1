// Every loader against every format: what it takes it reads, and of everything else it says what that is and which call reads it.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  convertCheckpoint,
  inspectCheckpoint,
  inspectTorch,
  loadNpy,
  loadNpz,
  loadSafetensors,
  loadTorch,
  openSafetensors,
  saveNpy,
  saveNpz,
  saveSafetensors,
  weights,
} from '../lib/checkpoint/index.js';
import { loadPackage, loadScript } from '../lib/script/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { archive } from './support/checkpoints.js';
import { foreignCheckpoints } from './support/foreignCheckpoints.js';
import { tarSample } from './support/oldCheckpoints.js';
import { python } from './support/python.js';
import { needs } from './support/skip.js';

const { describe } = needs(python !== undefined, 'a Python with torch');

describe('loaders and formats', () => {
  let folder: string;
  let state: ReturnType<typeof foreignCheckpoints>['expected']['state'];
  const at = (name: string) => join(folder, name);
  const values = (tensors: ReadonlyMap<string, Tensor>) =>
    Object.fromEntries([...tensors].map(([key, tensor]) => [key, [tensor.shape, tensor.flatten().tolist()]]));
  const sorted = (object: object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

  beforeAll(async () => {
    const made = foreignCheckpoints({ all: true });
    folder = made.folder;
    state = made.expected.state;
    const tensors = await loadTorch<Map<string, Tensor>>(at('state.pt'));
    const names = [...tensors.keys()];
    await saveSafetensors(at('whole.safetensors'), tensors, { metadata: { format: 'pt' } });
    for (const [shard, keys] of [names.slice(0, 4), names.slice(4)].entries())
      await saveSafetensors(
        at(`model-${shard}.safetensors`),
        new Map(keys.map((key) => [key, tensors.get(key) as Tensor])),
        {
          metadata: { format: 'pt' },
        },
      );
    const map = Object.fromEntries(names.map((key, i) => [key, `model-${i < 4 ? 0 : 1}.safetensors`]));
    writeFileSync(at('model.safetensors.index.json'), JSON.stringify({ metadata: { total_size: 1 }, weight_map: map }));
    await saveNpy(at('array.npy'), torch.ones([2]));
    await saveNpz(at('arrays.npz'), { a: torch.ones([2]) });
    writeFileSync(at('tar.pth'), tarSample());
    writeFileSync(at('package.pt2'), await archive({ 'data/aotinductor/model/model.so': Buffer.alloc(9) }));
    writeFileSync(at('model.onnx'), Buffer.from('\x08\x07\x12\x07pytorch\x1a\x052.1.0', 'latin1'));
    writeFileSync(at('bare.pkl'), Buffer.from([0x80, 4, 0x4e, 0x2e]));
    writeFileSync(at('page.pt'), '<!DOCTYPE html><html>404');
    writeFileSync(at('lfs.pt'), 'version https://git-lfs.github.com/spec/v1\n');
    writeFileSync(at('model.h5'), Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'));
    writeFileSync(at('model.gguf'), 'GGUF\x03');
    writeFileSync(at('x.pt.gz'), gzipSync('x'));
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const loaders: Record<string, (path: string) => Promise<unknown>> = {
    loadTorch,
    loadSafetensors,
    openSafetensors: async (path) => await (await openSafetensors(path)).close(),
    loadNpy,
    loadNpz,
    loadScript,
    loadPackage,
    weights,
    inspectTorch,
    inspectCheckpoint,
    convertCheckpoint: async (path) =>
      await convertCheckpoint(path, at('converted.pt'), { overwrite: true, tensorsOnly: true }),
  };
  const inspecting = ['inspectTorch', 'inspectCheckpoint'];
  const torchReaders = ['loadTorch', 'weights', 'convertCheckpoint', ...inspecting];

  /** Of each file: what is said of it, which call is named, and which loaders take it. */
  const formats: [file: string, said: RegExp, named: RegExp, takes: readonly string[]][] = [
    ['state.pt', /a file of torch\.save/, /loadTorch\(\)/, torchReaders],
    ['stream.pt', /a file of torch\.save/, /loadTorch\(\)/, inspecting],
    ['tar.pth', /a tar archive/, /loadTorch\(\)/, torchReaders],
    ['script.pt', /a TorchScript model/, /loadScript\(\)/, ['loadScript', ...inspecting]],
    [
      'exported.pt2',
      /an exported program .*not compiled/,
      /aoti_compile_and_package.*loadPackage\(\)/,
      ['inspectCheckpoint'],
    ],
    ['package.pt2', /a compiled package of AOTInductor/, /loadPackage\(\)/, ['inspectCheckpoint']],
    [
      'whole.safetensors',
      /a safetensors file/,
      /loadSafetensors\(\)/,
      ['loadSafetensors', 'openSafetensors', 'inspectCheckpoint', 'weights', 'convertCheckpoint'],
    ],
    [
      'model.safetensors.index.json',
      /(several files|its files are \.safetensors)/,
      /loadSafetensors\(\)/,
      ['loadSafetensors', 'weights', 'convertCheckpoint'],
    ],
    [
      'pytorch_model.bin.index.json',
      /(several files|its files are \.bin)/,
      /loadTorch\(\)/,
      ['loadTorch', 'weights', 'convertCheckpoint'],
    ],
    ['array.npy', /a NumPy array/, /loadNpy\(\)/, ['loadNpy']],
    ['arrays.npz', /an archive of NumPy arrays/, /loadNpz\(\)/, ['loadNpz']],
    ['distributed/__0_0.distcp', /a part of a distributed checkpoint/, /loadTorch\(\).*dcp_to_torch_save/, []],
    [
      'distributed/.metadata',
      /a part of a distributed checkpoint/,
      /loadTorch\(\).*dcp_to_torch_save/,
      ['loadTorch', 'weights', 'convertCheckpoint'],
    ],
    ['model.onnx', /an ONNX model/, /ONNX Runtime/, []],
    ['bare.pkl', /a bare pickle/, /./, []],
    ['page.pt', /a web page/, /fetch it again/, []],
    ['lfs.pt', /a pointer of Git LFS/, /git lfs pull/, []],
    ['model.h5', /an HDF5 file/, /safetensors/, []],
    ['model.gguf', /a GGUF file/, /./, []],
    ['x.pt.gz', /compressed with gzip/, /unpack it/, []],
  ];

  for (const [file, said, named, takes] of formats) {
    for (const [name, load] of Object.entries(loaders)) {
      it(`${name} ${takes.includes(name) ? 'takes' : 'names'} ${file}`, async () => {
        const result = await load(at(file)).then(
          () => 'read',
          (error) => error,
        );
        if (takes.includes(name)) {
          expect(result).toBe('read');
          return;
        }
        // What only a part of is foreign is another matter: its own reader says so.
        if (file === 'stream.pt' && torchReaders.includes(name)) return;
        // LibTorch itself can't load the made-up package.
        if (file === 'package.pt2' && name === 'loadPackage') return;
        expect(result).toMatchObject({ code: 'ERR_FORMAT' });
        expect(result.message).toMatch(said);
        expect(result.message).toMatch(named);
        expect(result.message).toContain(file);
      });
    }
  }

  it('files of an index are read together, or those that are asked for', async () => {
    const all = await loadSafetensors(at('model.safetensors.index.json'));
    expect(sorted(values(all))).toEqual(sorted(state));
    expect(all.metadata.get('format')).toBe('pt');
    expect(values(await loadTorch(at('pytorch_model.bin.index.json')))).toEqual(state);
    const [first] = Object.keys(state) as [string];
    // The other file is not even there.
    mkdirSync(at('part'));
    writeFileSync(at('part/model.safetensors.index.json'), readFileSync(at('model.safetensors.index.json')));
    writeFileSync(at('part/model-0.safetensors'), readFileSync(at('model-0.safetensors')));
    const index = at('part/model.safetensors.index.json');
    expect([...(await loadSafetensors(index, { keys: [first], mmap: true })).keys()]).toEqual([first]);
    await expect(loadSafetensors(index)).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(loadSafetensors(index, { keys: ['nowhere'] })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('it has no "nowhere"'),
    });
  });

  it('an index that leads elsewhere, or is none, is refused', async () => {
    const refused = async (text: string) => {
      writeFileSync(at('bad.index.json'), text);
      return await loadSafetensors(at('bad.index.json')).catch((error) => error);
    };
    const map = (file: unknown) => JSON.stringify({ metadata: {}, weight_map: { w: file } });
    for (const file of ['../whole.safetensors', '/etc/passwd', '..', 3, 'a\\b', ''])
      expect(await refused(map(file))).toMatchObject({
        code: 'ERR_FORMAT',
        message: expect.stringContaining('beside the index'),
      });
    expect(await refused(map('whole.safetensors'))).toMatchObject({
      message: expect.stringMatching(/"w" should be in .* but isn’t/),
    });
    expect(await refused('{"metadata": 1')).toMatchObject({ code: 'ERR_FORMAT' });
    expect(await refused('{"metadata": {}, "weight_map": {}}')).toMatchObject({
      message: expect.stringContaining('names no tensor'),
    });
  });

  it('a distributed checkpoint becomes one object, its chunks whole tensors', async () => {
    const loaded = await loadTorch<Map<string, never>>(at('distributed'));
    const { model, epoch, list } = Object.fromEntries<unknown>(loaded) as Record<string, unknown>;
    const { w, b, split } = Object.fromEntries(model as Map<string, Tensor>) as Record<'w' | 'b' | 'split', Tensor>;
    expect([w.tolist(), b.dtype, b.tolist()]).toEqual([
      [
        [0, 1, 2],
        [3, 4, 5],
      ],
      'bfloat16',
      [1, 1, 1],
    ]);
    expect(split.tolist()).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6, 7, 8],
      [9, 10, 11],
    ]);
    const [zeros, ...rest] = list as [Tensor, ...unknown[]];
    expect([epoch, zeros.tolist(), ...rest]).toEqual([3, [0, 0], 5, 'x']);
    const part = await loadTorch<Map<string, Map<string, Tensor>>>(at('distributed'), {
      keys: ['model'],
      dtype: 'float64',
    });
    expect([...part.keys()]).toEqual(['model']);
    expect(part.get('model')?.get('split')?.dtype).toBe('float64');
    await expect(loadTorch(at('distributed'), { keys: ['nowhere'] })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('and is refused where its files don’t fit', async () => {
    const metadata = readFileSync(at('distributed/.metadata'));
    const shard = readFileSync(at('distributed/__0_0.distcp'));
    const broken = async (change: (metadata: Buffer, shard: Buffer) => [Buffer, Buffer]) => {
      const [changed, part] = change(Buffer.from(metadata), Buffer.from(shard));
      mkdirSync(at('broken'), { recursive: true });
      writeFileSync(at('broken/.metadata'), changed);
      writeFileSync(at('broken/__0_0.distcp'), part);
      return await loadTorch(at('broken')).catch((error) => error);
    };
    const replaced = (bytes: Buffer, from: string, to: string) =>
      Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1');
    expect(await broken((m, s) => [m, s.subarray(0, 3000)])).toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('cut off'),
    });
    expect(await broken((m, s) => [replaced(m, '__0_0.distcp', '../../passwd'), s])).toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('which is not in it'),
    });
    expect(await broken((m, s) => [replaced(m, 'StorageMetadata', 'StorageMetadatb'), s])).toMatchObject({
      code: 'ERR_FORMAT',
    });
    for (let at = 0; at < metadata.length; at += 97)
      expect(await broken((m, s) => [m.subarray(0, at), s])).toMatchObject({
        code: expect.stringMatching(/ERR_FORMAT|ERR_FILE/),
      });
  });
});
