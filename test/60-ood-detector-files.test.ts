// Detectors by name, their settings checked before anything is made, and detectors in files: what is saved scores as before,
// bit for bit, and a file that is damaged, hostile or from somewhere else is refused with a reason.

import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSafetensors, saveSafetensors } from '../lib/checkpoint/index.js';
import { ImageDataset } from '../lib/data/index.js';
import { IsotorchError } from '../lib/errors.js';
import { rangeOf, type SettingSpecs, settled } from '../lib/known/detectorSettings.js';
import { detectorNames, detectorSpecs, type ShapingEntry, shapingNames, shapingSpecs } from '../lib/known/detectors.js';
import { parseDetector } from '../lib/known/parseDetector.js';
import * as losses from '../lib/losses/index.js';
import { convNet } from '../lib/models/index.js';
import { nearest } from '../lib/nearest.js';
import { type Arrays, arrays } from '../lib/ood/arrays/arrays.js';
import { affineHead } from '../lib/ood/arrays/head.js';
import { type Detector, type FittedDetector, learns } from '../lib/ood/detectors/detector.js';
import { loadDetector, loadDetectorFile, saveDetector } from '../lib/ood/detectors/file.js';
import { byName } from '../lib/ood/detectors/registry.js';
import {
  type AnyDetector,
  type ImageDetector,
  isUnfitted,
  looksAtArrays,
  looksAtNetwork,
} from '../lib/ood/images/imageDetector.js';
import { Network } from '../lib/ood/network/network.js';
import { type Tensor, tidy, torch } from '../lib/tensor/index.js';
import { damage, randomFrom } from './support/checkpoints.js';
import { liveTensors } from './support/live.js';

const all = [
  ...detectorNames,
  ...shapingNames.map((shaping) => `energy+${shaping}`),
  'dice+react',
  'openmax+vra+scale',
];

function known(): Arrays {
  torch.manualSeed(11);
  return tidy(() => {
    const features = torch.randn([80, 10]).abs();
    const head = affineHead(torch.randn([3, 10]), torch.randn([3]));
    const logits = head.forward(features);
    return arrays({ name: 'known', features, logits, labels: logits.argmax(1), head });
  });
}

/** Images, and a network that knows them. */
function pictures(): { set: ImageDataset<Tensor>; network: Network } {
  torch.manualSeed(12);
  const images = tidy(() => torch.randint(256, [40, 1, 8, 8], { dtype: 'int64' }).to('uint8')).keep();
  const labels = tidy(() => torch.arange(40, { dtype: 'int64' }).remainder(3)).keep();
  const model = convNet({ inChannels: 1, numClasses: 3, head: losses.byName('softmax').head });
  const transform = (given: Tensor) => given.to('float32').div(255);
  return { set: new ImageDataset({ images, labels, name: 'pictures' }), network: new Network(model, { transform }) };
}

/** Banks that fit the few images here. */
const small: Readonly<Record<string, object>> = { knn: { k: 3 }, nnguide: { k: 3, fraction: 0.5 } };

interface Known {
  readonly arrays: Arrays;
  readonly pictures: ReturnType<typeof pictures>;
}

async function fitted(name: string, { arrays, pictures }: Known): Promise<AnyDetector> {
  const detector = byName(name, small[name]);
  if (isUnfitted(detector))
    await (looksAtNetwork(detector) ? detector.fit(pictures.network, pictures.set) : detector.fit(arrays));
  return detector;
}

const bytesOf = (detector: AnyDetector, { arrays, pictures: { set, network } }: Known): Buffer =>
  tidy(() => {
    const scores = looksAtArrays(detector) ? detector.score(arrays) : detector.score(set.images, network);
    expect(scores.isfinite().all().item()).toBe(true);
    return Buffer.from((scores.toArraySync() as Float64Array).buffer);
  });

describe('names', () => {
  it.each(all)('%s is made with all its settings, and again from what it says', (name) => {
    const detector = byName(name);
    expect(detector.name).toBe(name);
    const spec = parseDetector(name);
    expect(detector.settings).toEqual({
      ...spec.settings,
      ...Object.fromEntries(spec.shapings.map((shaping) => [shaping.name, shaping.settings])),
    });
    expect(byName(detector.name, detector.settings).settings).toEqual(detector.settings);
  });

  it('have types that say which kind of detector they make', () => {
    const [odin, knn, shaped] = [byName('odin'), byName('knn', { k: 3 }), byName('energy+react')];
    const kinds: [ImageDetector, FittedDetector, Detector] = [odin, knn, shaped];
    expect(kinds.map((detector) => [looksAtNetwork(detector), learns(detector)])).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ]);
    // @ts-expect-error a setting of another detector
    expect(() => byName('knn', { dimension: 3 })).toThrow(/Unknown setting of knn/);
  });

  it.each(all)('%s reads, learns and is set as the table says', (name) => {
    const detector = byName(name) as Partial<FittedDetector> & AnyDetector;
    const { name: base, shapings } = parseDetector(name);
    const [spec, ...shaping] = [detectorSpecs[base], ...shapings.map((each) => shapingSpecs[each.name])];
    expect(learns(detector)).toBe([spec, ...shaping].some(({ fitsOn }) => fitsOn !== null));
    if (shaping.length > 0) return;
    expect(new Set([...detector.needs, ...(detector.learnsFrom ?? [])])).toEqual(new Set(spec.needs));
    const defaults = Object.entries(spec.settings as SettingSpecs).map(([key, setting]) => [key, setting.default]);
    expect(detector.settings).toEqual(Object.fromEntries(defaults));
  });

  it.each([
    ['enrgy', {}, /Unknown detector "enrgy": did you mean energy\?/],
    ['', {}, /Unknown detector/],
    ['msp', {}, /softmax probability is called `mps` here/],
    ['odin+react', {}, /no activation shaping with odin, which runs the network itself/],
    ['odin', { std: [] }, /a list, each item a number above 0 for odin’s std/],
    ['gram', { powers: [1, 0.5] }, /each item a whole number of 1 or more/],
    ['rankfeat', { stages: 'layer3' }, /a list, each item the path of a module/],
    ['input-mahalanobis', { layer: 3 }, /the path of a module, or null/],
    ['constructor', {}, /Unknown detector/],
    ['__proto__', {}, /Unknown detector/],
    ['energy+', {}, /Unknown activation shaping/],
    ['energy+raect', {}, /did you mean react\?/],
    ['energy+react+react', {}, /twice/],
    ['react', {}, /Unknown detector/],
    [
      'energy',
      { temprature: 1 },
      /Unknown setting of energy "temprature": did you mean temperature\? \(there is temperature\)/,
    ],
    ['energy', { react: {} }, /Unknown setting of energy "react"/],
    ['mps', { temperature: 1 }, /it has none/],
    ['energy', { temperature: 0 }, /a number above 0 for energy’s temperature but received integer 0/],
    ['energy', { temperature: '1' }, /received string "1"/],
    ['energy', { temperature: Number.NaN }, /energy’s temperature/],
    ['energy', { temperature: null }, /energy’s temperature/],
    ['gen', { top: 1.5 }, /a whole number of 1 or more/],
    ['energy+react', { react: { percentile: 101 } }, /a number from 0 to 100 for react’s percentile/],
    ['energy+react', { react: 90 }, /an object of settings for react’s settings/],
    ['energy+vra', { vra: { below: 'Zero' } }, /one of clip, zero/],
    ['energy', [], /an object of settings/],
    ['energy', null, /an object of settings/],
    [7, {}, /the name of a detector/],
  ])('%s %j is refused', (name, settings, message) => {
    expect(() => byName(name as string, settings)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => byName(name as string, settings)).toThrow(message);
  });

  it('take every kind of setting', () => {
    const specs = {
      bank: { kind: 'number', default: null, min: 1, integer: true, about: '' },
      normalise: { kind: 'flag', default: true, about: '' },
      by: { kind: 'choice', default: 'a', choices: ['a', 'b'], about: '' },
      free: { kind: 'number', default: 0, about: '' },
      share: { kind: 'number', default: 0.5, above: 0, below: 1, about: '' },
      orders: { kind: 'numbers', default: [1], item: { min: 1, integer: true }, about: '' },
      layer: { kind: 'path', default: null, about: '' },
      stages: { kind: 'paths', default: null, about: '' },
    } as const satisfies SettingSpecs;
    const more = { share: 0.5, orders: [1], layer: null, stages: null };
    expect(settled('x', specs, {})).toEqual({ bank: null, normalise: true, by: 'a', free: 0, ...more });
    const given = {
      bank: 3,
      normalise: false,
      by: 'b',
      free: -1e9,
      share: 0.1,
      orders: [2, 1],
      layer: 'a.0',
      stages: ['b'],
    };
    expect(settled('x', specs, given)).toEqual(given);
    expect(settled('x', specs, { bank: null, by: undefined })).toMatchObject({ bank: null, by: 'a' });
    expect(() => settled('x', specs, { share: 1 })).toThrow(/a number above 0 and below 1/);
    expect(() => settled('x', specs, { orders: 1 })).toThrow(/a list, each item a whole number of 1 or more/);
    expect(() => settled('x', specs, { stages: [''] })).toThrow(/a list, each item the path of a module/);
    expect(() => settled('x', specs, { normalise: 1 })).toThrow(/true or false/);
    expect(() => settled('x', specs, { bank: 0 })).toThrow(/a whole number of 1 or more, or null/);
    expect(rangeOf({})).toBe('a number');
  });

  it('stand in docs/detectors.md with their settings and defaults, and what they learn from', () => {
    const rows = readFileSync(resolve(import.meta.dirname, '../docs/detectors.md'), 'utf8').match(/^\| `.*$/gm)!;
    for (const [name, { settings, fitsOn }] of Object.entries<ShapingEntry>({ ...detectorSpecs, ...shapingSpecs })) {
      const row = rows.find((each) => each.split('|')[1]!.includes(`\`${name}\``)) ?? `no ${name}`;
      for (const [key, { default: value }] of Object.entries(settings))
        expect(row.replaceAll('`', '')).toContain(
          `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
        );
      if (name in detectorSpecs)
        expect([name, / train\b/.test(row), / held-out: /.test(row)]).toEqual([
          name,
          fitsOn === 'train',
          fitsOn === 'validation',
        ]);
    }
  });

  it('of settings are no names of shapings, which would stand in the same place', () => {
    const settings = Object.values(detectorSpecs).flatMap(({ settings }) => Object.keys(settings));
    expect(settings.filter((name) => name in shapingSpecs)).toEqual([]);
  });

  it('are read without LibTorch', () => {
    const seen = new Set<string>();
    const visit = (file: string) => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, path] of readFileSync(file, 'utf8').matchAll(
        /^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gm,
      ))
        visit(resolve(dirname(file), path!.replace(/js$/, 'ts')));
    };
    visit(resolve(import.meta.dirname, '../lib/known/parseDetector.ts'));
    expect([...seen].map((file) => file.replace(/.*\/lib\//, '')).sort()).toEqual([
      'errors.ts',
      'known/detectorSettings.ts',
      'known/detectors.ts',
      'known/parseDetector.ts',
      'known/table.ts',
      'nearest.ts',
      'printable.ts',
    ]);
  });

  it('that are far from all are near none', () => {
    expect(nearest('Percentil', ['percentile', 'top'])).toBe('percentile');
    expect(nearest('qqqq', ['percentile', 'top'])).toBeNull();
    expect(nearest('x'.repeat(1e6), ['percentile'])).toBeNull();
  });
});

describe('files', () => {
  let folder: string;
  let training: Known;
  let path: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'isotorch-detector-'));
    path = join(folder, 'detector.safetensors');
    training = { arrays: known(), pictures: pictures() };
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(all)('give %s back, bit for bit, and nothing is left', async (name) => {
    const before = await liveTensors();
    const detector = await fitted(name, training);
    await saveDetector(path, detector);
    const again = await loadDetector(path);
    expect([again.name, again.settings]).toEqual([name, detector.settings]);
    expect(bytesOf(again, training).equals(bytesOf(detector, training))).toBe(true);
    await saveDetector(join(folder, 'again'), again);
    expect((await readFile(join(folder, 'again'))).equals(await readFile(path))).toBe(true);
    for (const one of [detector, again]) if (learns(one)) one.dispose();
    expect(await liveTensors()).toBe(before);
  });

  it('keep parts beside the detector', async () => {
    const threshold = {
      texts: { 'wanted.rate': '0.95' },
      tensors: { value: torch.tensor([1.5], { dtype: 'float64' }) },
    };
    await saveDetector(path, byName('energy'), { parts: { threshold, calibration: {} } });
    const before = await liveTensors();
    const { detector, parts, isotorch } = await loadDetectorFile(path);
    expect(detector.name).toBe('energy');
    expect(parts.threshold!.texts).toEqual(threshold.texts);
    expect(parts.threshold!.tensors.value!.tolist()).toEqual([1.5]);
    expect(parts.calibration).toEqual({ texts: {}, tensors: {} });
    expect(isotorch).toMatch(/^\d+\.\d+\.\d+/);
    parts.threshold!.tensors.value!.dispose();
    await loadDetector(path);
    expect(await liveTensors()).toBe(before);
  });

  it.each([
    ['one that has yet to be fitted', () => byName('openmax'), {}, /learnt nothing/],
    ['one that nobody knows', () => ({ ...byName('mps'), name: 'mine' }), {}, /Unknown detector/],
    ['a part called detector', () => byName('mps'), { detector: {} }, /lower-case letters/],
    ['a part with a dot', () => byName('mps'), { 'a.b': {} }, /lower-case letters/],
  ])('are not made of %s', async (_, make, parts, message) => {
    const target = join(folder, 'none');
    await expect(saveDetector(target, make(), { parts })).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain('none');
  });

  /** A saved DICE, with changes. */
  async function changed(change: (tensors: Map<string, Tensor>, texts: Map<string, string>) => void): Promise<string> {
    await saveDetector(path, await fitted('dice', training));
    const file = await loadSafetensors(path);
    const texts = new Map(file.metadata);
    change(file, texts);
    const target = join(folder, 'changed');
    await saveSafetensors(target, new Map(file), { metadata: texts, shared: 'copy' });
    return target;
  }

  it.each<[string, Parameters<typeof changed>[0], string, RegExp]>([
    ['no texts', (_, texts) => texts.clear(), 'ERR_FORMAT', /isotorch.format/],
    ['no version of isotorch', (_, texts) => texts.delete('isotorch.package'), 'ERR_FORMAT', /isotorch.package/],
    ['another format', (_, texts) => texts.set('isotorch.format', 'x'), 'ERR_FORMAT', /its format is x/],
    ['a later version', (_, texts) => texts.set('isotorch.version', '2'), 'ERR_FORMAT', /newer isotorch/],
    ['a name that is none', (_, texts) => texts.set('isotorch.detector', 'dise'), 'ERR_FORMAT', /did you mean dice/],
    [
      'settings of another',
      (_, texts) => texts.set('isotorch.settings', '{"gamma":1}'),
      'ERR_FORMAT',
      /setting of dice "gamma"/,
    ],
    [
      'settings out of range',
      (_, texts) => texts.set('isotorch.settings', '{"percentile":-1}'),
      'ERR_FORMAT',
      /percentile/,
    ],
    [
      'settings that pollute',
      (_, texts) => texts.set('isotorch.settings', '{"__proto__":{"a":1}}'),
      'ERR_FORMAT',
      /__proto__/,
    ],
    [
      'settings that are no JSON',
      (_, texts) => texts.set('isotorch.settings', '['.repeat(1e5)),
      'ERR_FORMAT',
      /no JSON/,
    ],
    ['parts that are no list', (_, texts) => texts.set('isotorch.parts', '{}'), 'ERR_FORMAT', /isotorch.parts/],
    ['a part twice', (_, texts) => texts.set('isotorch.parts', '["a","a"]'), 'ERR_FORMAT', /isotorch.parts/],
    ['texts of no part', (_, texts) => texts.set('threshold.a', ''), 'ERR_FORMAT', /none of its parts/],
    ['tensors of no part', (tensors) => tensors.set('stray', torch.zeros([1])), 'ERR_FORMAT', /none of its parts/],
    [
      'the name of one that learns otherwise',
      (_, texts) => texts.set('isotorch.detector', 'kl-matching').set('isotorch.settings', '{}'),
      'ERR_STATE_DICT',
      /a state of means/,
    ],
    [
      'the name of one that learns nothing',
      (_, texts) => texts.set('isotorch.detector', 'mps').set('isotorch.settings', '{}'),
      'ERR_STATE_DICT',
      /learns nothing/,
    ],
    [
      'the name of a shaped one',
      (_, texts) => texts.set('isotorch.detector', 'dice+react'),
      'ERR_STATE_DICT',
      /shaping\.… and detector/,
    ],
    ['a tensor less', (tensors) => tensors.delete('detector.bias'), 'ERR_STATE_DICT', /weight, bias, received weight/],
    ['a tensor more', (tensors) => tensors.set('detector.more', torch.zeros([1])), 'ERR_STATE_DICT', /weight, bias/],
    [
      'another dtype',
      (tensors) => tensors.set('detector.bias', torch.zeros([3])),
      'ERR_STATE_DICT',
      /float64 \[C\], received float32/,
    ],
    [
      'sizes that differ',
      (tensors) => tensors.set('detector.bias', torch.zeros([4], { dtype: 'float64' })),
      'ERR_STATE_DICT',
      /received float64 \[4\]/,
    ],
    [
      'no classes',
      (tensors) => tensors.set('detector.weight', torch.zeros([0, 10], { dtype: 'float64' })),
      'ERR_STATE_DICT',
      /weight/,
    ],
    [
      'NaN',
      (tensors) => tensors.set('detector.bias', torch.full([3], Number.NaN, { dtype: 'float64' })),
      'ERR_STATE_DICT',
      /finite/,
    ],
  ])('with %s are refused', async (_, change, code, message) => {
    const target = await changed(change);
    const before = await liveTensors();
    const outcome = await loadDetector(target).then(
      () => null,
      (error: unknown) => error,
    );
    expect(outcome).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(await liveTensors()).toBe(before);
  });

  it('that are missing or no safetensors are refused', async () => {
    await expect(loadDetector(join(folder, 'missing'))).rejects.toThrow(expect.objectContaining({ code: 'ERR_FILE' }));
    await writeFile(join(folder, 'text'), 'no detector');
    await expect(loadDetector(join(folder, 'text'))).rejects.toThrow(expect.objectContaining({ code: 'ERR_FORMAT' }));
  });

  it('damaged at random give a typed error or a detector that scores', async () => {
    await saveDetector(path, await fitted('dice+react', training));
    const sample = await readFile(path);
    const target = join(folder, 'damaged');
    let refused = 0;
    for (let seed = 0; seed < 150; seed++) {
      await writeFile(target, damage(sample.subarray(0, sample.length), randomFrom(seed)));
      try {
        bytesOf(await loadDetector(target), training);
      } catch (error) {
        if (!(error instanceof IsotorchError)) throw new Error(`seed ${seed}`, { cause: error });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(30);
  });
});
