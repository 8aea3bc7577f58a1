// Weights beside objects of Python classes: what is harmless becomes a plain value, what is not asked for is in nobody's way, placeholders
// stand for the rest, and weights are found wherever they are. The files are real ones, of test/fixtures/make_foreign_checkpoints.py.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect, isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  convertCheckpoint,
  ForeignObject,
  inspectTorch,
  loadSafetensors,
  loadTorch,
  saveTorch,
  type Weights,
  weights,
} from '../lib/checkpoint/index.js';
import * as nn from '../lib/nn/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { withFolder } from './support/checkpoints.js';
import { foreignCheckpoints } from './support/foreignCheckpoints.js';
import { python } from './support/python.js';
import { needs } from './support/skip.js';

const { describe } = needs(python !== undefined, 'a Python with torch');

type Dict = Map<string, never>;

describe('checkpoints with foreign classes', () => {
  let folder: string;
  let expected: ReturnType<typeof foreignCheckpoints>['expected'];
  const file = (name: string) => join(folder, `${name}.pt`);
  const network = () =>
    new nn.Sequential(new nn.Linear(4, 8), new nn.BatchNorm1d(8), new nn.ReLU(), new nn.Linear(8, 3));
  const values = (state: ReadonlyMap<string, Tensor>) =>
    Object.fromEntries([...state].map(([key, tensor]) => [key, [tensor.shape, tensor.flatten().tolist()]]));

  beforeAll(() => {
    ({ folder, expected } = foreignCheckpoints());
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Maps as objects, to be compared with JSON. */
  const plain = (value: unknown): unknown => {
    if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(item)]));
    return Array.isArray(value) ? value.map(plain) : value;
  };

  for (const name of ['harmless', 'harmless-5']) {
    it(`${name}: small classes of Python’s library become plain values`, async () => {
      const loaded = await loadTorch<Dict>(file(name));
      const {
        times,
        point,
        'by enum': byEnum,
        ...rest
      } = Object.fromEntries<unknown>(loaded) as Record<string, unknown>;
      expect(plain(new Map(Object.entries(rest)))).toEqual(expected.harmless);
      expect(times).toEqual(expected.times);
      expect([...(byEnum as Map<unknown, unknown>)]).toEqual([
        [1, 1],
        ['x', 2],
        ['fast', 3],
      ]);
      const [x, y] = point as [number, Tensor];
      expect(Object.isFrozen(point)).toBe(true);
      expect([x, y.tolist()]).toEqual([1, [1, 1]]);
      // Nothing of them is foreign to who looks only, and all can be written.
      expect((await inspectTorch(file(name))).unknown).toEqual([]);
      await saveTorch(file('again'), loaded);
    });
  }

  it('the rest is refused, with the ways to get at the weights', async () => {
    const refusal: Error = await loadTorch<never>(file('callback')).catch((error) => error);
    expect(refusal).toMatchObject({ code: 'ERR_FORMAT' });
    for (const part of [
      /byte \d+: the file asks for the global "__main__\.Callback"/,
      /Nothing was executed/,
      /checkpoint\.weights\(path\) finds them at "state_dict"/,
      /isotorch convert <file> <new>\.safetensors --weights/,
      /keys: \["state_dict"\]/,
      /\{ foreign: 'keep' \}/,
    ])
      expect(refusal.message).toMatch(part);
    await expect(loadTorch(file('nothing'))).rejects.toThrow(/"__main__\.Callback".*foreign: 'keep'/);
    await expect(loadTorch(file('subclass'))).rejects.toThrow(/"__main__\.Sub"/);
  });

  it('keys are in nobody’s way but their own', async () => {
    for (const name of ['callback', 'stream']) {
      const loaded = await loadTorch<Map<string, Map<string, Tensor>>>(file(name), { keys: ['state_dict'] });
      expect(values(loaded.get('state_dict') as Map<string, Tensor>)).toEqual(expected.state);
    }
    await expect(loadTorch(file('callback'), { keys: ['callbacks'] })).rejects.toThrow('__main__.Callback');
  });

  it('placeholders print, compare, and can’t be written', async () => {
    const read = async () =>
      (
        (await loadTorch<Dict>(file('callback'), { foreign: 'keep' })).get('callbacks') as unknown as Map<
          string,
          ForeignObject
        >
      ).get('best') as ForeignObject;
    const callback = await read();
    expect(callback).toBeInstanceOf(ForeignObject);
    expect(callback.name).toBe('__main__.Callback');
    const state = callback.state as Map<string, unknown>;
    expect([(state.get('best') as Tensor).item(), state.get('path')]).toEqual([0.5, 'best.ckpt']);
    expect(String(callback)).toBe('__main__.Callback(best=…, path=…)');
    expect(inspect(callback)).toBe('<foreign __main__.Callback(best=…, path=…)>');
    const other = await read();
    for (const object of [callback, other]) (object.state as Map<string, unknown>).delete('best');
    expect(isDeepStrictEqual(callback, other)).toBe(true);
    (other.state as Map<string, unknown>).set('path', 'x');
    expect(isDeepStrictEqual(callback, other)).toBe(false);
    await expect(saveTorch(file('never'), { callback })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/object\["callback"\] but received ForeignObject of __main__\.Callback/),
    });
    expect(String((await loadTorch<Dict>(file('nothing'), { foreign: 'keep' })).get('callback'))).toBe(
      '__main__.Callback',
    );
    const subclass = (await loadTorch<Map<string, unknown>>(file('subclass'), { foreign: 'keep' })).get(
      's',
    ) as ForeignObject;
    expect(subclass.name).toBe('__main__.Sub');
    expect((subclass.args as [Tensor])[0].tolist()).toEqual([0, 1, 2, 3]);
    const module = await loadTorch<ForeignObject>(file('module'), { foreign: 'keep' });
    expect(module.name).toBe('torch.nn.modules.container.Sequential');
    await expect(loadTorch(file('state'), { foreign: 'drop' as never })).rejects.toThrow("'refuse' or 'keep'");
  });

  const cases: [name: string, found: Partial<Weights>, others: string[]][] = [
    ['state', { from: '', kind: 'state dict', prefix: '', leftOut: [] }, []],
    ['callback', { from: 'state_dict', kind: 'state dict', prefix: '' }, ['callbacks.best']],
    ['stream', { from: 'state_dict', prefix: '' }, ['callbacks.best']],
    ['lightning', { from: 'state_dict', prefix: 'model._orig_mod.' }, ['callbacks.ModelCheckpoint']],
    ['ema', { from: 'model', prefix: 'module.' }, ['ema']],
    ['ema-alone', { from: 'ema', kind: 'module', prefix: '' }, []],
    ['module', { from: '', kind: 'module', prefix: '' }, []],
  ];
  for (const [name, found, others] of cases) {
    it(`weights of ${name}`, async () => {
      const { state, ...rest } = await weights(file(name));
      expect(rest).toMatchObject(found);
      expect(rest.others.map(({ from }) => from)).toEqual(
        expect.arrayContaining(others.filter((other) => !other.startsWith('callbacks'))),
      );
      expect(values(state)).toEqual(expected.state);
      expect([rest.tensors, rest.elements]).toEqual([9, 100]);
      expect([...state.values()].some((tensor) => tensor.requiresGrad)).toBe(false);
      network().loadStateDict(state);
    });
  }

  it('weights of a module: persistent buffers, and shared modules as often as they are there', async () => {
    const { state, from, others } = await weights(file('module-in-dict'));
    expect(from).toBe('net');
    expect(Object.fromEntries([...state].map(([key, { shape }]) => [key, shape]))).toEqual(expected.net);
    expect(state.get('tied.weight')).toBe(state.get('body.0.weight'));
    expect(others).toEqual([]);
    await expect(weights(file('ema'), { from: 'nowhere' })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringMatching(/a place with weights \("model", "ema"/),
    });
    expect((await weights(file('ema'), { from: 'ema', prefixes: [] })).state.has('module.0.weight')).toBe(true);
    await expect(weights(file('nothing'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('convert takes a key, the weights or the tensors of a file that holds more', () =>
    withFolder(async (out) => {
      const to = (name: string) => join(out, name);
      await convertCheckpoint(file('callback'), to('key.safetensors'), { key: ['state_dict'] });
      expect(values(await loadSafetensors(to('key.safetensors')))).toEqual(expected.state);
      const report = await convertCheckpoint(file('lightning'), to('weights.pth'), { weights: true });
      expect(report).toMatchObject({ taken: { from: 'state_dict', prefix: 'model._orig_mod.' }, tensors: 9 });
      expect(report.leftOut.some((what) => what.startsWith('optimizer_states.0.state'))).toBe(true);
      expect(values(await loadTorch(to('weights.pth')))).toEqual(expected.state);
      const all = await convertCheckpoint(file('subclass'), to('tensors.safetensors'), { tensorsOnly: true });
      expect(all).toMatchObject({ tensors: 1, leftOut: ['s (unknown: __main__.Sub)'] });
      await expect(convertCheckpoint(file('callback'), to('x.pt'))).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(/callbacks \(unknown: __main__\.Callback\).*--key.*--weights.*--tensors-only/),
      });
      const rest = await convertCheckpoint(file('callback'), to('rest.pt'), { tensorsOnly: true });
      expect(rest.leftOut).toEqual(['callbacks (unknown: __main__.Callback)']);
      expect([...(await loadTorch<Dict>(to('rest.pt'))).keys()]).toEqual(['state_dict', 'epoch']);
      expect(readdirSync(out).sort()).toEqual(['key.safetensors', 'rest.pt', 'tensors.safetensors', 'weights.pth']);
    }));

  it('quantised tensors come and go: each number, scale and zero point, and what they share', async () => {
    const loaded = await loadTorch<Map<string, Tensor>>(file('quantized'));
    const described = (tensor: Tensor) => {
      const { dtype, shape } = tensor;
      const common = {
        ...{ dtype, shape, stride: tensor.stride(), offset: tensor.storageOffset() },
        ints: tensor.intRepr().flatten().tolist(),
        values: tensor.dequantize().flatten().tolist(),
      };
      if (tensor.qscheme() === 0) return { ...common, scale: tensor.qScale(), zeroPoint: tensor.qZeroPoint() };
      const scales = tensor.qPerChannelScales().tolist();
      return { ...common, axis: tensor.qPerChannelAxis(), scales, zeroPoints: tensor.qPerChannelZeroPoints().tolist() };
    };
    const all = (tensors: Map<string, Tensor>) =>
      Object.fromEntries([...tensors].map(([key, tensor]) => [key, described(tensor)]));
    expect(all(loaded)).toEqual(expected.quantized);
    expect(loaded.get('view')?.storage().id).toBe(loaded.get('qint8')?.storage().id);
    const mapped = await loadTorch<Map<string, Tensor>>(file('quantized'), { mmap: true });
    for (const [key, tensor] of mapped)
      expect({ ...described(tensor), offset: loaded.get(key)?.storageOffset() }).toEqual(
        described(loaded.get(key) as Tensor),
      );
    for (const name of ['quantized', 'dynamic', 'nested'])
      await saveTorch(file(`back-${name}`), await loadTorch(file(name)));
    const script = fileURLToPath(new URL('./fixtures/make_foreign_checkpoints.py', import.meta.url));
    execFileSync(python as string, [script, '--back', folder], { stdio: ['ignore', 'ignore', 'pipe'] });
    const back = JSON.parse(readFileSync(join(folder, 'back.json'), 'utf8'));
    expect(back).toEqual({
      quantized: expected.quantized,
      shares: true,
      nested: expected.nested,
      dynamic: ['torch.qint8', 'torch.float32'],
    });
    expect((await inspectTorch(file('dynamic'))).unknown).toEqual([]);
  }, 60_000);

  it('nested tensors, bare storages, tensors of 65 dimensions', async () => {
    const nested = await loadTorch<Map<string, Tensor>>(file('nested'));
    expect(
      nested
        .get('n')
        ?.unbind()
        .map((part) => part.tolist()),
    ).toEqual(expected.nested);
    const { typed, view, untyped } = Object.fromEntries(
      await loadTorch<Map<string, Tensor>>(file('storages')),
    ) as Record<string, Tensor>;
    expect([typed?.dtype, typed?.tolist(), view?.tolist()]).toEqual(['float32', [0, 1, 2, 3, 4, 5], [2, 3]]);
    expect(view?.storage().id).toBe(typed?.storage().id);
    expect([untyped?.dtype, untyped?.tolist()]).toEqual(['uint8', [0, 1, 2]]);
    expect((await loadTorch<Tensor>(file('dimensions'))).shape).toEqual(Array(65).fill(1));
  });

  it('URLs are paths, and ArrayBuffers bytes', async () => {
    const url = pathToFileURL(file('state'));
    const { buffer, byteOffset, length } = readFileSync(file('state'));
    const bytes = buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer;
    for (const input of [url, bytes, new Uint8Array(bytes)])
      expect(values(await loadTorch<Map<string, Tensor>>(input))).toEqual(expected.state);
    await saveTorch(pathToFileURL(file('by-url')), { w: torch.ones([1]) });
    expect((await weights(pathToFileURL(file('by-url')))).tensors).toBe(1);
    await expect(loadTorch(new URL('https://example.org/x.pt'))).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('a file: URL'),
    });
  });
});
