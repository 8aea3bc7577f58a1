// With real PyTorch, both ways: whatever torch.save writes is read equal, in types, order, strides, sharing and every bit,
// and what isotorch writes of it torch.load reads equal, with weights_only=True and with mmap=True.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { expect, describe as group } from 'vitest';
import { loadTorch, saveTorch } from '../lib/checkpoint/index.js';
import { openSource } from '../lib/checkpoint/source.js';
import { ZipReader } from '../lib/checkpoint/zip/reader.js';
import { ZipWriter } from '../lib/checkpoint/zip/writer.js';
import * as nn from '../lib/nn/index.js';
import { memory, type Tensor, torch } from '../lib/tensor/index.js';
import { describeValue, MemorySink, withFolder } from './support/checkpoints.js';
import { decode, encode, python, runPython } from './support/python.js';
import { needs } from './support/skip.js';

const { it } = needs(python, 'a Python that has torch');
const script = fileURLToPath(new URL('./fixtures/make_checkpoints.py', import.meta.url));
const dataFolder = process.env.ISOTORCH_TEST_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url));
const realFiles = join(dataFolder, 'checkpoints');
const { it: itReal } = needs(
  python && existsSync(realFiles),
  'the checkpoints of the test data, and a Python that has torch',
);

interface Read {
  value?: unknown;
  mmap?: boolean;
  offsets?: boolean;
  error?: string;
}

function run(mode: 'write' | 'read', folder: string): Record<string, unknown> {
  const ended = spawnSync(python as string, [script, mode, folder], { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(`${script} ${mode} ended with ${ended.status}\n${ended.stderr}`);
  return JSON.parse(readFileSync(join(folder, mode === 'write' ? 'expected.json' : 'read.json'), 'utf8'));
}

/** What saving does to tensors: Parameters become plain ones that need no gradient. */
function saved(description: unknown): unknown {
  if (typeof description !== 'object' || description === null) return description;
  if (Array.isArray(description)) return description.map(saved);
  const entries = Object.entries(description).map(([key, value]) => [key, saved(value)] as const);
  const result = Object.fromEntries(entries);
  return result.parameter === true ? { ...result, parameter: false, requiresGrad: false } : result;
}

/** toEqual, which takes seconds for thousands of keys, only where something differs and it is to say what. */
function expectEqual(received: unknown, wanted: unknown, name: string): void {
  if (!isDeepStrictEqual(received, wanted)) expect(received, name).toEqual(wanted);
}

group('with real PyTorch', () => {
  it('every case goes there and back', () =>
    withFolder(async (folder) => {
      const [theirs, ours] = [join(folder, 'theirs'), join(folder, 'ours')];
      mkdirSync(theirs);
      mkdirSync(ours);
      const expected = run('write', theirs);
      const names = Object.keys(expected);
      expect(names.length).toBeGreaterThan(40);
      for (const name of names) {
        const loaded = await loadTorch(join(theirs, `${name}.pt`));
        expectEqual(describeValue(loaded), expected[name], name);
        await saveTorch(join(ours, `${name}.pt`), loaded);
        const reloaded = await loadTorch(join(ours, `${name}.pt`));
        expectEqual(describeValue(reloaded), saved(expected[name]), `${name}, written and read`);
      }
      const read = run('read', ours) as Record<string, Read>;
      for (const name of names) {
        expect(read[name]?.error, name).toBeUndefined();
        expectEqual(read[name]?.value, saved(expected[name]), name);
        expect(read[name], name).toMatchObject({ mmap: true, offsets: true });
      }
    }));

  it('an archive of PyTorch’s records is PyTorch’s archive, byte for byte', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'archive.pt');
      runPython(
        `
        net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5))
        torch.save({'net': net.state_dict(), 'empty': torch.empty(0), 'large': torch.arange(10_000)}, input)
        emit(1)`,
        path,
      );
      const source = await openSource(path);
      const zip = await ZipReader.open(source);
      const sink = new MemorySink();
      const writer = new ZipWriter(sink);
      for (const entry of zip.entries.values()) await writer.add(entry.name, entry.size, await zip.read(entry, 1e6));
      await writer.finish();
      await source.close();
      expect(Buffer.compare(sink.bytes(), readFileSync(path))).toBe(0);
    }));

  it('a network goes to Python and back with all its state', () =>
    withFolder(async (folder) => {
      const [ours, theirs] = [join(folder, 'ours.pt'), join(folder, 'theirs.pt')];
      const net = () =>
        new nn.Sequential(new nn.Conv2d(1, 4, 3), new nn.BatchNorm2d(4), new nn.Flatten(), new nn.Linear(4, 2));
      const one = net();
      const images = torch.randn([8, 1, 3, 3]);
      one.forward(images);
      await saveTorch(ours, one.stateDict());
      const { outputs, metadata } = runPython(
        `
        net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2))
        state = torch.load(input['ours'], weights_only=True)
        net.load_state_dict(state)
        torch.save(net.state_dict(), input['theirs'])
        emit({'outputs': net.eval()(T(input['images'])), 'metadata': state._metadata == net.state_dict()._metadata})`,
        { ours, theirs, images: encode(images) },
      );
      expect(metadata).toBe(true);
      const two = net();
      two.loadStateDict(await loadTorch<Map<string, Tensor>>(theirs));
      for (const model of [one, two])
        expect(model.eval().forward(images).sub(decode(outputs)).abs().max().item()).toBeLessThan(1e-6);
      expect(two.stateDict().get('1.num_batches_tracked')?.item()).toBe(1);
    }));

  it('what PyTorch would execute is not', () =>
    withFolder(async (folder) => {
      const witness = join(folder, 'executed');
      runPython(
        `
        class Evil:
            def __reduce__(self): return os.system, ('touch ' + input['witness'],)
        torch.save({'weights': torch.ones(2), 'evil': Evil()}, input['path'])
        emit(1)`,
        { path: join(folder, 'evil.pt'), witness },
      );
      const before = memory();
      const result = loadTorch(join(folder, 'evil.pt'));
      await expect(result).rejects.toMatchObject({ code: 'ERR_FORMAT' });
      await expect(result).rejects.toThrow(
        /evil\.pt: evil\/data\.pkl, byte \d+: the file asks for the global "(posix|nt)\.system"/,
      );
      expect(existsSync(witness)).toBe(false);
      // Fewer, where tensors of other tests were collected meanwhile.
      expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
    }));

  itReal('files from the wild load as PyTorch loads them', () => {
    // All but TorchScript and the container that no PyTorch reads.
    const files = readdirSync(realFiles).filter(
      (name) => /\.(pth?|th)$/.test(name) && !/^(torchscript|refuse)-/.test(name),
    );
    expect(files).toContain('resnet20-12fca82f.th');
    expect(files.length).toBeGreaterThanOrEqual(13);
    const paths = Object.fromEntries(files.map((file) => [file, join(realFiles, file)]));
    const expected = runPython(
      `
      import importlib.util
      spec = importlib.util.spec_from_file_location('cases', input['script'])
      cases = importlib.util.module_from_spec(spec)
      spec.loader.exec_module(cases)
      emit({name: cases.describe(torch.load(path, map_location='cpu', weights_only=True)) for name, path in input['paths'].items()})`,
      { script, paths },
    );
    return Promise.all(
      files.map(async (file) => {
        expectEqual(describeValue(await loadTorch(paths[file] as string)), expected[file], file);
      }),
    );
  });

  itReal('and those that can’t be are named for what they are', async () => {
    const refusal = (name: string) => expect(loadTorch(join(realFiles, name))).rejects;
    await refusal('refuse-pre-1.0-container.pt').toMatchObject({
      code: 'ERR_FORMAT',
      message: expect.stringContaining('a container of a PyTorch development version before 1.0'),
    });
    for (const name of readdirSync(realFiles).filter((file) => file.startsWith('torchscript-')))
      await refusal(name).toMatchObject({ code: 'ERR_FORMAT', message: expect.stringContaining('TorchScript') });
  });
});
