// Arrays under the hash of what decided them: the hash changes with every part of it and with nothing else, and the cache gives
// what was put or nothing, whatever happened to its files or to the processes that wrote them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ImageDataset } from '../lib/data/index.js';
import { Linear } from '../lib/nn/index.js';
import { ArrayCache, type Arrays, arrays, arraysKey, hashFile, hashTensors, headOf } from '../lib/ood/index.js';
import { memory, tidy, torch } from '../lib/tensor/index.js';
import { damage, randomFrom } from './support/checkpoints.js';

const folder = mkdtempSync(join(tmpdir(), 'isotorch-cache-'));
afterAll(() => rmSync(folder, { recursive: true }));
let folders = 0;
const freshCache = () => new ArrayCache(join(folder, String(folders++)));

torch.manualSeed(3);
const net = new Linear(4, 3);
const weights = net.stateDict();
const images = ImageDataset.fromArrays({
  images: new Uint8Array(32).map((_, i) => i),
  shape: [2, 1, 4, 4],
  labels: [0, 1],
});
const transform = { normalize: { mean: [0.5], std: [0.25] }, model: 'linear' };
const five: Arrays = arrays({
  name: 'five',
  features: torch.randn([5, 4]),
  logits: torch.randn([5, 3]),
  labels: torch.tensor([0, 1, 2, 0, 1]),
  head: headOf(net),
});
const key = await arraysKey({ weights, data: images, transform });
const keys = Array.from({ length: 4 }, (_, i) => String(i).repeat(64));

describe('a hash of tensors', () => {
  const base = { a: torch.tensor([1, 2]), b: torch.tensor([[0.5], [1]]) };

  it('is that of names, dtypes, shapes and values', async () => {
    const reference = await hashTensors(base);
    expect(reference).toMatch(/^[0-9a-f]{64}$/);
    const others = tidy(() => ({
      name: { a: base.a, c: base.b },
      dtype: { a: base.a.to('int32'), b: base.b },
      shape: { a: base.a, b: base.b.t() },
      value: { a: base.a, b: base.b.add(1e-7) },
      zero: { a: base.a, b: base.b, c: torch.zeros([0]) },
      missing: { a: base.a },
    }));
    const hashes = await Promise.all(Object.values(others).map(hashTensors));
    expect(new Set([reference, ...hashes]).size).toBe(1 + hashes.length);
  });

  it('does not depend on order, strides or the kind of container', async () => {
    const wide = torch.tensor([
      [0.5, 9],
      [1, 9],
    ]);
    const strided = tidy(() => wide.narrow(1, 0, 1).keep());
    expect(strided.isContiguous()).toBe(false);
    const other = new Map([
      ['b', strided],
      ['a', base.a],
    ]);
    expect(await hashTensors(other)).toBe(await hashTensors(base));
  });

  it('stays what it was', async () => {
    // By hand: printf '["a","int64",[2]]\n' and the numbers 1 and 2 in 8 bytes each, into sha256sum.
    expect(await hashTensors({ a: base.a })).toBe('1849f8fa7a756011399b650c78c97fa27e70cfe8dafb96f544494e019b67c082');
  });

  it('lets the event loop turn while it goes through large tensors', async () => {
    const large = torch.zeros([16 << 20], { dtype: 'uint8' });
    const before = memory().tensors;
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await hashTensors({ large });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(4);
    expect(memory().tensors).toBeLessThanOrEqual(before);
    large.dispose();
  });

  it('refuses what is no tensor', async () => {
    await expect(hashTensors({ a: 3 as never })).rejects.toThrow('Expected a Tensor for tensors["a"]');
    const gone = torch.ones([1]);
    gone.dispose();
    await expect(hashTensors({ gone })).rejects.toMatchObject({ code: 'ERR_TENSOR_DISPOSED' });
  });
});

describe('a key', () => {
  it('changes with weights, data and transform, and with nothing else', async () => {
    const changed = new Map(weights).set(
      'bias',
      tidy(() => weights.get('bias')!.add(1)),
    );
    const others = [
      { weights: changed, data: images, transform },
      { weights, data: images.take(1), transform },
      { weights, data: images, transform: { ...transform, model: 'other' } },
      { weights, data: images, transform: { ...transform, normalize: { mean: [0.5], std: [0.26] } } },
      { weights, data: images, transform: null },
    ];
    const all = await Promise.all(others.map(arraysKey));
    expect(new Set([key, ...all]).size).toBe(1 + others.length);
    const same = {
      weights: await hashTensors(weights),
      data: images.contentHash,
      transform: { model: 'linear', crop: undefined, normalize: { std: [0.25], mean: [0.5] } },
    };
    expect(await arraysKey(same)).toBe(key);
  });

  it('takes a file for data', async () => {
    const path = join(folder, 'data');
    writeFileSync(path, 'abc');
    expect(await hashFile(path)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    writeFileSync(path, Buffer.alloc(3 << 20));
    expect(await hashFile(path)).toBe('bbd05cf6097ac9b1f89ea29d2542c1b7b67ee46848393895f5a9e43fa1f621e5');
    await expect(hashFile(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('refuses what JSON can’t hold, with its place', async () => {
    const withTransform = (value: unknown) => arraysKey({ weights: 'w', data: 'd', transform: value });
    await expect(withTransform({ a: [1, Number.NaN] })).rejects.toThrow('transform.a[1] but received number NaN');
    await expect(withTransform(() => 1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(withTransform({ t: torch.ones([1]) })).rejects.toThrow('transform.t but received Tensor');
    await expect(arraysKey({ weights: '', data: 'd', transform })).rejects.toThrow('a hash for weights');
    await expect(arraysKey({ weights: 'w', data: {} as never, transform })).rejects.toThrow('a hash for data');
  });
});

describe('the cache', () => {
  it('gives what was put, and null for all else', async () => {
    const cache = freshCache();
    expect(await cache.get(key)).toBeNull();
    expect(await cache.entries()).toEqual([]);
    await cache.put(key, five);
    const before = memory().tensors;
    {
      using got = await cache.get(key);
      expect(got?.name).toBe('five');
      tidy(() => {
        for (const part of ['features', 'logits', 'labels'] as const)
          expect(got?.[part]?.equal(five[part]!)).toBe(true);
        expect(got?.head?.forward(got.features!).equal(net.forward(five.features!))).toBe(true);
      });
    }
    expect(memory().tensors).toBeLessThanOrEqual(before);
    expect(await cache.get(keys[0]!)).toBeNull();
    for (const wrong of ['', '../../etc/passwd', key.toUpperCase(), key.slice(1), 7 as never])
      await expect(cache.get(wrong)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(cache.put(key, arrays({ name: 'none' }))).rejects.toMatchObject({ code: 'ERR_DATA' });
    expect(() => new ArrayCache('')).toThrow('a path for directory');
  });

  it('takes damage of any kind for a miss, and mends it', async () => {
    const cache = freshCache();
    await cache.put(key, five);
    const path = join(cache.directory, `${key}.safetensors`);
    const sound = readFileSync(path);
    const before = memory().tensors;
    let differs = 0;
    for (let run = 0; run < 300; run++) {
      const damaged = damage(sound, randomFrom(run));
      if (sound.equals(damaged)) continue;
      differs++;
      writeFileSync(path, damaged);
      using got = await cache.get(key);
      if (got) expect(got.features?.equal(five.features!)).toBe(true); // what pads the header may be changed
      if (got) expect(Buffer.from(damaged).subarray(-200).equals(sound.subarray(-200))).toBe(true);
    }
    expect(differs).toBeGreaterThan(250);
    // One bit anywhere in the numbers, and one in the set's name.
    for (const at of [sound.length - 1, sound.length - 60, sound.indexOf('five')]) {
      const flipped = Buffer.from(sound);
      flipped[at] = flipped[at]! ^ 1;
      writeFileSync(path, flipped);
      expect(await cache.get(key)).toBeNull();
    }
    expect(memory().tensors).toBeLessThanOrEqual(before);
    await cache.put(key, five);
    expect(readFileSync(path).equals(sound)).toBe(true);
    // An entry of another key, copied to this place.
    writeFileSync(join(cache.directory, `${keys[0]}.safetensors`), sound);
    expect(await cache.get(keys[0]!)).toBeNull();
  });

  it('lists by use and prunes by size and age', async () => {
    const cache = freshCache();
    for (const entry of keys) await cache.put(entry, five);
    const day = 24 * 3600;
    const now = Date.now() / 1000;
    for (const [i, entry] of keys.entries()) {
      const path = join(cache.directory, `${entry}.safetensors`);
      utimesSync(path, now - i * day - 60, now - i * day - 60);
    }
    (await cache.get(keys[3]!))?.[Symbol.dispose](); // the oldest is now the latest used
    const [{ bytes }, ...rest] = (await cache.entries()) as [{ bytes: number }, ...unknown[]];
    expect(rest).toMatchObject([{ key: keys[0] }, { key: keys[1] }, { key: keys[2] }]);
    expect((await cache.prune({ maxDays: 1.5 })).map((entry) => entry.key)).toEqual([keys[2]]);
    expect((await cache.prune({ maxBytes: 2 * bytes })).map((entry) => entry.key)).toEqual([keys[1]]);
    const left = join(cache.directory, `.${key.slice(0, 40)}.0123456789ab.tmp`);
    writeFileSync(left, 'x');
    writeFileSync(join(cache.directory, 'notes.txt'), 'mine');
    expect(await cache.prune()).toEqual([]);
    expect(readdirSync(cache.directory)).toHaveLength(4);
    utimesSync(left, now - 2 * day, now - 2 * day);
    await cache.prune();
    expect(readdirSync(cache.directory).sort()).toEqual([
      `${keys[0]}.safetensors`,
      `${keys[3]}.safetensors`,
      'notes.txt',
    ]);
    await expect(cache.prune({ maxBytes: -1 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });

  it('stays whole when processes that write to it at once are killed', async () => {
    const cache = freshCache();
    const program = fileURLToPath(new URL('support/putForever.ts', import.meta.url));
    const random = randomFrom(11);
    let whole = 0;
    for (let round = 0; round < 3; round++) {
      const children = [0, 1].map(() =>
        spawn(process.execPath, ['--import', 'tsx', program, cache.directory, keys.join()], {
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      );
      await Promise.all(children.map((child) => once(child.stdout, 'data')));
      for (const child of children) {
        await new Promise((resolve) => setTimeout(resolve, random() * 100));
        const ended = once(child, 'close');
        child.stdout.resume();
        child.kill('SIGKILL');
        await ended;
        for (const entry of keys) {
          using got = await cache.get(entry);
          if (!got) continue;
          whole++;
          tidy(() => {
            const n = Number(got.name.slice('set '.length));
            expect(got.features!.eq(n).all().item()).toBe(true);
            expect(got.logits!.eq(n).all().item()).toBe(true);
            expect(keys[n % keys.length]).toBe(entry);
          });
        }
      }
    }
    expect(whole).toBeGreaterThan(10);
    // Nothing but whole entries and what the killed left behind.
    for (const name of readdirSync(cache.directory)) expect(name).toMatch(/^([0-3]{64}\.safetensors|\..*\.tmp)$/);
    for (const { key: entry } of await cache.entries()) {
      using got = await cache.get(entry);
      expect(got).not.toBeNull();
    }
  });
});
