// Manifests: what a good one means, and that a bad one is told all of its mistakes, each with its place, before any work.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ManifestError, renderMistakes } from '../lib/evaluation/manifest/mistakes.js';
import { checkManifest, decode, readManifest } from '../lib/evaluation/manifest/read.js';
import { nearest } from '../lib/nearest.js';
import { mutations } from './fixtures/manifests/mutations.js';

const goodFile = fileURLToPath(new URL('./fixtures/manifests/good.yaml', import.meta.url));
const good = readFileSync(goodFile, 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'isotorch-manifest-'));
afterAll(() => rmSync(folder, { recursive: true }));

const minimal =
  'name: a\nid: mnist\nood: { far: [kmnist] }\ndetectors: [mps]\ntrain: { data: mnist, losses: [isomax] }\n';
const read = (text: string) => {
  const { manifest, mistakes } = checkManifest(text);
  expect(renderMistakes('', mistakes, text)).toBe('');
  return manifest!;
};
/** `line:column path: expected …` of each mistake. */
const mistakesOf = (text: string) =>
  checkManifest(text).mistakes.map(({ line, column, path, expected }) => `${line}:${column} ${path}: ${expected}`);

describe('a good manifest', () => {
  it('is read with every default and shorthand written out', () => {
    const { train, checkpoints, arrays, id, detectors, profile, bootstrap, out } = read(good);
    expect(train).toMatchObject({ epochs: 4, seeds: [0, 1, 2], classes: null, augment: ['crop', 'flip'] });
    expect(checkpoints.map(({ name, seeds, source }) => [name, seeds, source.path])).toEqual([
      ['resnet20', [0], 'checkpoints/resnet20-a.th'],
      ['resnet20', [1], 'checkpoints/resnet20-b.th'],
      ['wide', [3, 4], 'checkpoints/wide-s{seed}.pt'],
      ['older', [null], 'runs/older'],
    ]);
    expect(checkpoints[1]).toMatchObject({ id: ['fashion-mnist'], source: { prefix: 'module.', numClasses: 10 } });
    expect(arrays[0]).toMatchObject({ model: 'mine', seed: null, id: { name: 'test', path: 'arrays/test.npz' } });
    expect(id.map(({ name }) => name)).toEqual(['fashion-mnist', 'letters']);
    expect(id[0]!.ood.far.map(({ name, source, classes }) => [name, source, classes])).toEqual([
      ['uniform-noise', { kind: 'synthetic', set: 'uniform-noise' }, null],
      ['gaussian-noise', { kind: 'synthetic', set: 'gaussian-noise' }, null],
      ['old-digits', { kind: 'set', set: 'mnist', split: 'train' }, [0, 1, 2]],
      ['cifar10', { kind: 'cifar10', path: 'sets/cifar-10-batches-bin', split: 'test' }, null],
    ]);
    expect(id[1]!.ood.near[0]!.source).toEqual({ kind: 'npy', path: 'letters/other.npy', labels: null });
    expect(detectors.map(({ label }) => label)).toEqual(
      ['mps', 'es', 'knn(k=10)', 'knn', 'vim', 'odin(epsilon=0.002)', 'energy+react(react.percentile=85)'].concat(
        'energy+ash-s',
      ),
    );
    expect(detectors[6]).toMatchObject({
      ...{ name: 'energy+react', settings: { temperature: 1, react: { percentile: 85 } } },
      ...{ needs: ['logits', 'features', 'head'], fitsOn: 'train' },
    });
    expect(detectors[7]).toMatchObject({ settings: { temperature: 1, 'ash-s': { percentile: 90 } }, fitsOn: null });
    expect([profile, bootstrap, out]).toEqual([
      'isomax-paper',
      { resamples: 1000, seed: 0, confidence: 0.95 },
      'results/everything',
    ]);
  });

  it('names modules of the network where a detector looks at them', () => {
    const { detectors } = read(
      minimal.replace(
        '[mps]',
        '[rankfeat: { stages: [a.0, b] }, input-mahalanobis: { layer: a.1 }, rankfeat: { stages: null }]',
      ),
    );
    expect(detectors.map(({ label }) => label)).toEqual([
      'rankfeat(stages=a.0+b)',
      'input-mahalanobis(layer=a.1)',
      'rankfeat',
    ]);
  });

  it('can be short: the known set follows from what is trained, `all` takes every detector', () => {
    const { id, out, detectors } = read(
      'name: a\nood: { far: [kmnist] }\ndetectors: all\ntrain: { data: mnist, losses: [isomax], classes: [0, 1] }\n',
    );
    expect(id).toEqual([
      {
        name: 'mnist',
        train: { name: 'mnist', source: { kind: 'set', set: 'mnist', split: 'train' }, classes: [0, 1], rows: null },
        validation: null,
        test: { name: 'mnist', source: { kind: 'set', set: 'mnist', split: 'test' }, classes: [0, 1], rows: null },
        ood: {
          near: [],
          far: [{ name: 'kmnist', source: { kind: 'set', set: 'kmnist', split: 'test' }, classes: null, rows: null }],
        },
      },
    ]);
    expect(out).toBe('results/a');
    expect(detectors.length).toBeGreaterThan(20);
  });

  it('may tell known classes from held-out ones of the same set', () => {
    const held = (known: string) =>
      mistakesOf(
        'name: a\ndetectors: [mps]\ntrain: { data: digits, losses: [isomax], classes: [0, 1, 2, 3, 4, 5, 6] }\n' +
          `id: { train: digits, test: { set: digits, classes: ${known} } }\n` +
          'ood: { near: [{ name: held-out, set: digits, classes: [7, 8, 9] }] }\n',
      );
    expect(held('[0, 1, 2, 3, 4, 5, 6]')).toEqual([]);
    expect(held('[6, 7]')).toEqual(['5:15 ood.near[0]: images that digits has not']);
  });
});

describe('a bad manifest', () => {
  it.each(mutations.map((mutation, i) => [i, mutation] as const))('%i %j', (_, mutation) => {
    const { find, replace, line, path, expected, hint = '', also = 0 } = mutation;
    expect(good.split(find)).toHaveLength(2);
    const text = good.replace(find, () => replace);
    const { manifest, mistakes } = checkManifest(text);
    expect(manifest).toBeNull();
    const shown = renderMistakes('f', mistakes, text);
    const found = mistakes.find((each) => each.line === line && each.path === path && each.expected.includes(expected));
    expect(found, shown).toBeDefined();
    expect(found!.hint ?? '', shown).toContain(hint);
    expect(mistakes, shown).toHaveLength(1 + also);
  });

  it('is mutated in a hundred ways at least', () => {
    expect(mutations.length).toBeGreaterThanOrEqual(100);
    expect(new Set(mutations.map(({ find, replace }) => find + replace)).size).toBe(mutations.length);
  });

  it('is told of all mistakes at once, in the order of the text', () => {
    const text = good
      .replace('epochs: 4', 'epochs: 0')
      .replace('precision: float32', 'precision: half')
      .replace('k: 10', 'k: 0')
      .replace('near: [kmnist', 'near: [kmnst')
      .replace('checkpoint: best', 'checkpoint: best\n    seeed: 2');
    expect(checkManifest(text).mistakes.map(({ line, path }) => [line, path])).toEqual([
      [7, 'train.epochs'],
      [10, 'train.precision'],
      [35, 'checkpoints[3].seeed'],
      [50, 'ood.near[0]'],
      [59, 'detectors[2].knn.k'],
    ]);
  });

  it('is shown with the line, a mark under the place, and what to do', () => {
    const text = minimal.replace('losses: [isomax]', 'losses: [isomax], precision: flaot32');
    expect(renderMistakes('a.yaml', checkManifest(text).mistakes, text)).toBe(
      [
        'a.yaml:5:52: train.precision: expected one of float32, bfloat16, float16 but received the text "flaot32"',
        '    5 | train: { data: mnist, losses: [isomax], precision: flaot32 }',
        '      |                                                    ^',
        '      → Did you mean `float32`?',
      ].join('\n'),
    );
  });

  it('lets nothing in it move the cursor', () => {
    const text = `${minimal}"\\e[2J": 1\n"x\u202ey": 2\n`;
    const shown = renderMistakes('f', checkManifest(text).mistakes, text);
    expect(shown).toMatch(/6:1.*7:1/s);
    expect(['\x1b', '\u202e'].filter((control) => shown.includes(control))).toEqual([]);
  });

  it.each<[string, string[]]>([
    ['', ['1:1 : a manifest']],
    ['# nothing', ['1:1 : a manifest']],
    ['- a', ['1:1 : a manifest: a map with name, checkpoints, ood, detectors …']],
    ['name: a\n---\nname: b', ['2:1 : one manifest in the file']],
    ['name: !!set {a}', ['1:13 name: a name of letters, digits and . _ + -', '1:1 : `detectors`']],
    ['1: a', ['1:1 : text as a key']],
    ['checkpoints: [{ weights: net-s{seed}.pt }]', ['1:31 : a comma or the end of the brackets']],
    [minimal.replace('train:', 'trian:'), ['5:1 trian: one of the keys']],
    [minimal.replace('id: mnist', 'id: []'), ['2:5 id: a list']],
    [minimal.replace('ood: { far: [kmnist] }', 'ood: [kmnist]'), ['3:6 ood: unknown sets: a map with near, far']],
    [minimal.replace('far: [kmnist]', 'far: []'), ['3:6 ood: at least one unknown set']],
    ['name: a\ndetectors: [mps]', ['1:1 : at least one of `train`, `checkpoints` and `arrays`']],
    [
      'name: a\ndetectors: [mps]\ncheckpoints: [{ weights: a.pt, model: resnet20, loss: softmax }]',
      ['1:1 : `id`: what the checkpoints know'],
    ],
    [
      'name: a\nid: { test: mnist }\nood: { far: [kmnist] }\ndetectors: [mps]\n' +
        'checkpoints: [{ weights: a.pt, model: resnet20, loss: softmax }]',
      ['5:15 checkpoints[0]: `normalize`, since mnist has no `train`'],
    ],
    [
      'name: a\ndetectors: [mps]\nid: mnist\narrays: [{ name: x, id: a.npz, ood: { far: { y: b.npz } } }]',
      ['3:5 id: `train` or `checkpoints` beside it'],
    ],
    [
      minimal.replace('id: mnist', 'id: { test: mnist, ood: { far: [kmnist] } }'),
      ['3:6 ood: a known set without an `ood` of its own'],
    ],
    [
      'name: a\ndetectors: [mps]\nid: [mnist, kmnist]\nood: { far: [notmnist] }\n' +
        'checkpoints: [{ weights: a.pt, model: resnet20, loss: softmax, id: mnist }]',
      ['3:13 id[1]: a checkpoint that is measured on it'],
    ],
    [
      `name: a\ntrain: { data: mnist, losses: [softmax, isomax], seeds: [${Array.from({ length: 9000 }, (_, i) => i)}] }\n` +
        'ood: { far: [kmnist] }\ndetectors: all',
      ['1:1 : at most 200,000 rows'],
    ],
    [minimal.replace('[mps]', '[temp-scale]'), ['2:5 id: `validation`, since these detectors learn: temp-scale']],
    [
      minimal.replace('id: mnist', 'id: { train: mnist, validation: { set: mnist, rows: [0, 9] }, test: mnist }'),
      ['2:33 id.validation: images that `train` has not'],
    ],
    [
      minimal.replace('id: mnist', 'id: { test: { set: mnist, rows: [9, 0] } }'),
      ['2:33 id.test.rows: two row numbers'],
    ],
    [minimal.replace('[mps]', '[odin+react]'), ['4:13 detectors[0]: a detector (mps']],
    [minimal.replace('[mps]', '[energy+react+react]'), ['4:13 detectors[0]: a detector (mps']],
    [minimal.replace('[mps]', '[knn: { k: null }]'), ['4:23 detectors[0].knn.k: a whole number of 1 or more']],
    [minimal.replace('[mps]', '[residual: { dimension: 0 }, mps]'), ['4:36 detectors[0].residual.dimension: a whole']],
    [minimal.replace('[mps]', '[gram: { powers: [1, 0] }]'), ['4:33 detectors[0].gram.powers[1]: a whole number']],
    [minimal.replace('[mps]', '[rankfeat: { stages: block1 }]'), ['4:33 detectors[0].rankfeat.stages: a list, each']],
    [
      minimal.replace('[mps]', '[input-mahalanobis: { layer: [a] }]'),
      ['detectors[0].input-mahalanobis.layer: the path of a module'],
    ],
    [minimal.replace('[mps]', '[gram: { validation: 0.6 }]'), ['detectors[0].gram.validation: a number']],
    [minimal.replace('[mps]', '[vim]'), ['4:13 detectors[0]: a detector that works on some of the networks']],
  ])('%j', (text, expected) => {
    const found = mistakesOf(text);
    for (const each of expected) expect(found).toContainEqual(expect.stringContaining(each));
  });
});

describe('hostile text', () => {
  const located = (text: string) => {
    const begin = performance.now();
    const { manifest, mistakes } = checkManifest(text);
    expect(manifest === null).toBe(mistakes.length > 0);
    const lines = text.split(/\r\n|\n|\r/).length;
    for (const { line, column, expected, received } of mistakes) {
      expect(line).toBeGreaterThanOrEqual(1);
      expect(line).toBeLessThanOrEqual(lines);
      expect(column).toBeGreaterThanOrEqual(1);
      expect(`${expected}${received}`).not.toMatch(/undefined|\[object/);
    }
    renderMistakes('f', mistakes, text);
    return { mistakes, time: performance.now() - begin };
  };

  it('bytes changed anywhere give a manifest or located mistakes, within a second', () => {
    const bytes = Buffer.from(good);
    const edit = fc.record({
      at: fc.nat(bytes.length),
      remove: fc.nat(8),
      insert: fc.oneof(
        fc.uint8Array({ maxLength: 6 }),
        fc
          .constantFrom(
            '\t',
            '\n',
            '  ',
            ': ',
            '- ',
            '[',
            ']',
            '{',
            '}',
            '"',
            "'",
            '&a ',
            '*a',
            '*resnet',
            '<<: ',
            '!!',
            '|\n',
            '>',
            '#',
            '? ',
            '%',
            '---\n',
            'null',
            '.inf',
            '\u0000',
            '\uFEFF',
          )
          .map((text) => Buffer.from(text)),
      ),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let mutated = bytes;
        for (const { at, remove, insert } of edits)
          mutated = Buffer.concat([mutated.subarray(0, at), insert, mutated.subarray(at + remove)]);
        const { text, mistake } = decode(mutated);
        if (mistake)
          expect(mutated.subarray(0).toString('latin1').split('\n').length).toBeGreaterThanOrEqual(mistake.line);
        else expect(located(text).time).toBeLessThan(1000);
      }),
      { numRuns: 400 },
    );
  }, 120_000);

  it.each<[string, string, RegExp]>([
    [
      'aliases that double',
      `a: &a0 [x]\n${Array.from({ length: 40 }, (_, i) => `b${i}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')}`,
      /at most 50,000 values/,
    ],
    ['an alias of itself', 'name: &a [*a]', /at most 32 levels/],
    ['a merge of itself', '&a\nname: a\n<<: *a', /at most 32 levels/],
    ['thousands of levels', `name: ${'['.repeat(20_000)}`, /at most 32 levels/],
    ['thousands of levels in dashes', `name:\n${'- '.repeat(20_000)}`, /at most 32 levels/],
    ['thousands of levels in braces', `{name: ${'{a: '.repeat(20_000)}`, /at most 32 levels/],
    [
      'thousands of seeds',
      `name: a\ntrain: { data: mnist, losses: [isomax], seeds: [${[...Array(30_000).keys()]}] }\nood: { far: [kmnist] }\ndetectors: all`,
      /^at most 10,000$/,
    ],
    ['forty levels', `name: ${'['.repeat(40)}${']'.repeat(40)}`, /at most 32 levels/],
    ['a huge file', `# ${'x'.repeat(300_000)}`, /at most 256 KiB/],
  ])('%s', (_, text, expected) => {
    expect(
      located(text)
        .mistakes.map((each) => each.expected)
        .join('\n'),
    ).toMatch(expected);
  });

  it('prototypes and other names of objects are words like others', () => {
    const text =
      '__proto__: { a: 1 }\nconstructor: 2\nname: a\ndetectors: [constructor, __proto__: {}, knn: { toString: 1 }]\n';
    expect(mistakesOf(text).map((each) => each.split(' ').slice(0, 2).join(' '))).toEqual([
      '1:1 __proto__:',
      '1:1 :',
      '2:1 constructor:',
      '4:13 detectors[0]:',
      '4:26 detectors[1].__proto__:',
      '4:48 detectors[2].knn.toString:',
    ]);
  });
});

describe('a file', () => {
  const write = (name: string, text: string | Uint8Array): string => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  };

  it('names files that must exist, from its own folder', async () => {
    const text =
      'name: a\narrays: [{ name: x, id: sub/known.npz, ood: { far: { y: sub/unknwon.npz } } }]\ndetectors: [mps]\n';
    const path = write('a.yaml', text);
    write('sub/known.npz', '');
    write('sub/unknown.npz', '');
    const error = await readManifest(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ManifestError);
    expect(error).toMatchObject({ code: 'ERR_FORMAT', file: path });
    expect((error as ManifestError).mistakes).toEqual([
      {
        ...{ line: 2, column: 57, path: 'arrays[0].ood.far.y', expected: 'a file that exists' },
        received: `${join(folder, 'sub/unknwon.npz')}, which does not`,
        hint: 'Did you mean `unknown.npz`?',
      },
    ]);
    writeFileSync(path, text.replace('unknwon', 'unknown'));
    const { arrays, out } = await readManifest(path);
    expect(arrays[0]!.id.path).toBe(join(folder, 'sub/known.npz'));
    expect(out).toBe(join(folder, 'results/a'));
    await expect(readManifest(path, { files: false })).resolves.toBeDefined();
  });

  it('has a folder where one is wanted, and a file for each seed', async () => {
    write('net-s0.pt', '');
    const path = write(
      'b.yaml',
      'name: b\nid: mnist\nood: { far: [kmnist] }\ndetectors: [mps]\ncheckpoints:\n' +
        '  - { weights: "net-s{seed}.pt", seeds: [0, 1], model: convnet, loss: isomax }\n  - { run: net-s0.pt, name: run }\n',
    );
    const { mistakes } = (await readManifest(path).catch((thrown: unknown) => thrown)) as ManifestError;
    expect(mistakes.map(({ line, expected, received }) => [line, expected, received])).toEqual([
      [6, 'a file that exists', `${join(folder, 'net-s1.pt')}, which does not`],
      [7, 'a folder that exists', `${join(folder, 'net-s0.pt')}, which is no folder`],
    ]);
  });

  it('is UTF-8', async () => {
    const mistakes = async (bytes: Uint8Array) =>
      ((await readManifest(write('c.yaml', bytes)).catch((thrown: unknown) => thrown)) as ManifestError).mistakes;
    expect(await mistakes(Buffer.from([97, 10, 0xc3, 0xa4, 0xff, 98]))).toMatchObject([{ line: 2, column: 2 }]);
    expect(await mistakes(Buffer.from('\uFEFFname: a', 'utf16le'))).toMatchObject([
      { line: 1, column: 1, hint: 'It looks like UTF-16: save it as UTF-8.' },
    ]);
    await expect(readManifest(write('bom.yaml', `\uFEFF${minimal}`))).resolves.toMatchObject({ name: 'a' });
    expect(await mistakes(Buffer.from(`# ${'é'.repeat(150_000)}`))).toMatchObject([
      { expected: 'a manifest of at most 256 KiB' },
    ]);
    expect(await mistakes(Buffer.alloc(400_000, '#'))).toMatchObject([{ expected: 'a manifest of at most 256 KiB' }]);
  });

  it('that is none gives ERR_FILE', async () => {
    await expect(readManifest(join(folder, 'none.yaml'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(readManifest(folder)).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('the nearest word', () => {
  it.each([
    ['wieghts', 'weights'],
    ['Batch_Size', 'batchSize'],
    ['IsoMax+', 'isomaxplus'],
    ['out', 'output'],
    ['zzz', null],
    ['', null],
    ['x'.repeat(1000), null],
  ])('to %s is %s', (word, meant) => {
    expect(nearest(word, ['weights', 'batchSize', 'isomax', 'isomaxplus', 'output'])).toBe(meant);
  });
});
