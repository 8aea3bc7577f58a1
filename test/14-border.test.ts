// The border: whatever is called with whatever is missing, null or foreign throws an IsotorchError with a code, or takes it.
// Every function, class, method and accessor of the package is called; errors of callbacks come out as they were thrown.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { types } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as isotorch from '../lib/index.js';
import * as rooms from '../lib/rooms.js';

const { data, ood, nn, tidy, torch, training, IsotorchError } = isotorch;
const outside: Record<string, unknown> = { ...isotorch };

/** Would train, download or write for real. */
const left = new Set([
  'evaluation.quickstart',
  'data.fetch',
  'training.trainExperiment',
  'data.load',
  'data.fashionMnist',
  'data.mnist',
  'data.kmnist',
  'data.notMnist',
]);

const foreign: (() => unknown)[] = [
  () => undefined,
  () => null,
  () => -1,
  () => Number.NaN,
  () => 2 ** 53,
  () => 1n,
  () => '',
  () => true,
  () => Symbol('s'),
  () => ({}),
  () => [],
  () => [null],
  () => new Map([['a', null]]),
  () => new Float32Array(2),
  () => () => undefined,
  () => Object.create(null),
  () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new RangeError('a hostile getter');
        },
      },
    ),
];

const argumentLists = [
  [],
  ...foreign.map((one) => [one]),
  ...foreign.map((one) => [one, one]),
  ...foreign.map((one, i) => [one, foreign[(i + 5) % foreign.length]!, one]),
];

const isNamespace = (value: unknown) => Object.prototype.toString.call(value) === '[object Module]';

/** Errors that are neither ours nor the hostile argument's. */
const raw = new Map<string, string>();

async function tried(name: string, call: () => unknown): Promise<unknown> {
  try {
    const result = call();
    return types.isPromise(result) ? await result : result;
  } catch (error) {
    const { message } = error as Error;
    if (!(error instanceof IsotorchError) && message !== 'a hostile getter')
      raw.set(name.replace(/#\d+/, ''), `${name}: ${error}`);
    return undefined;
  }
}

async function callAll(name: string, value: unknown): Promise<void> {
  if (left.has(name) || value === null || value === undefined) return;
  if (typeof value === 'object' && (isNamespace(value) || name.split('.').length < 3)) {
    for (const [key, item] of Object.entries(value)) await callAll(`${name}.${key}`, item);
    return;
  }
  if (typeof value !== 'function') return;
  const isClass = Object.getOwnPropertyDescriptor(value, 'prototype')?.writable === false;
  let taken = 0;
  let instances = 0;
  for (const [i, list] of argumentLists.entries()) {
    const args = list.map((make) => make());
    const label = `${name}(#${i})`;
    const made = await tried(label, () =>
      isClass ? Reflect.construct(value as never, args) : (value as (...all: unknown[]) => unknown)(...args),
    );
    if (made !== undefined && ++taken > 4) break; // it takes much: enough
    if (typeof made === 'object' && made !== null && instances++ < 2) await callMethods(label, made);
  }
}

const languageOwn = new Set<object>(
  [Object, Array, Map, Error, Promise, Object.getPrototypeOf(Uint8Array)].map((builtin) => builtin.prototype),
);

async function callMethods(name: string, instance: object): Promise<void> {
  for (let at = instance; at !== null && !languageOwn.has(at); at = Object.getPrototypeOf(at)) {
    for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value !== 'function' || key === 'constructor') continue;
      for (const list of argumentLists.slice(0, 12)) {
        const args = list.map((make) => make());
        await tried(`${name}.${key}`, () => Reflect.apply(value, instance, args));
      }
    }
  }
}

describe('the border', () => {
  const cwd = process.cwd();
  beforeAll(() => process.chdir(mkdtempSync(join(tmpdir(), 'isotorch-border-'))));
  afterAll(() => process.chdir(cwd));

  const names = Object.keys(rooms).filter((name) => !['Tensor', 'IsotorchError', 'torch'].includes(name));
  it.each(names)('%s gives no raw error', async (name) => {
    raw.clear();
    await callAll(name, outside[name]);
    expect([...raw.values()].slice(0, 20)).toEqual([]);
  });

  it('has the names of the rooms', () => {
    expect(Object.keys(isotorch).sort()).toEqual(Object.keys(rooms).sort());
    for (const [name, room] of Object.entries(rooms)) {
      if (isNamespace(room))
        expect(Object.keys(outside[name] as object).sort()).toEqual(Object.keys(room as object).sort());
    }
  });

  it('names what was called and what it was given', () => {
    expect(() => ood.fprAtTprId(null as never, 0.95)).toThrow(
      expect.objectContaining({
        code: 'ERR_ARGUMENT',
        message: expect.stringContaining("ood.fprAtTprId can't be called with (null, number 0.95)"),
        cause: expect.any(TypeError),
      }),
    );
  });

  it('rejects with a code too', async () => {
    await expect(training.openGuard(1 as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('leaves errors of callbacks alone', () => {
    const mine = () => {
      throw new TypeError('mine');
    };
    expect(() => tidy(mine)).toThrow(TypeError);
    const net = new nn.Linear(1, 1);
    expect(() => net.apply(mine)).toThrow(TypeError);
    expect(() => net.apply(() => (undefined as never as { x: number }).x)).toThrow(TypeError);
  });

  it('classes are the same inside and outside', () => {
    const linear = new nn.Linear(1, 1);
    expect(linear).toBeInstanceOf(nn.Linear);
    expect(linear).toBeInstanceOf(rooms.nn.Linear);
    expect(new rooms.nn.Linear(1, 1)).toBeInstanceOf(nn.Linear);
    class Mine extends nn.Linear {}
    expect(new Mine(1, 1)).toBeInstanceOf(Mine);
    expect(new Mine(1, 1)).toBeInstanceOf(nn.Module);
    expect(String(new nn.Sequential(linear))).toContain('Linear(');
    expect(data.ImageDataset.name).toBe('ImageDataset');
    tidy(() => expect(linear.forward(torch.ones([1, 1])).shape).toEqual([1, 1]));
  });
});
