// `isotorch evaluate manifest.yaml` as a person meets it, and the manifests of its documentation.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownDetectors } from '../lib/evaluation/manifest/detectorSchemas.js';
import { manifestFields } from '../lib/evaluation/manifest/manifestShape.js';
import { renderMistakes } from '../lib/evaluation/manifest/mistakes.js';
import { checkManifest } from '../lib/evaluation/manifest/read.js';
import { isotorch } from './support/cli.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isotorch-cli-manifest-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Nothing that loads LibTorch can work so. */
const env = { LIBTORCH: '/nowhere' };
const small =
  'name: small\ntrain: { data: mnist, losses: [softmax, isomax] }\nood: { far: [kmnist] }\ndetectors: [mps, vim]\n';
const evaluate = (text: string, ...args: string[]) => {
  writeFileSync(join(folder, 'a.yaml'), text);
  return isotorch(['evaluate', 'a.yaml', ...args], { cwd: folder, env });
};

describe('isotorch evaluate manifest.yaml', () => {
  it('prints the plan and runs nothing', async () => {
    const [text, json] = await Promise.all([evaluate(small, '--dry-run'), evaluate(small, '--dry-run', '--json')]);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(/^small: 2 networks, 2 detectors, 3 rows of results\n/);
    expect(text.stdout).toMatch(/Left out\n {2}vim on convnet-isomax: .*distance head/);
    expect(JSON.parse(json.stdout)).toMatchObject({ name: 'small', counts: { train: 2, measure: 3 } });
    expect(existsSync(join(folder, 'results'))).toBe(false);
  });

  it('lists the mistakes and ends with 2', async () => {
    const { code, stdout, stderr } = await evaluate(
      small.replace('isomax', 'isomx').replace('mps', 'msp'),
      '--dry-run',
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^a\.yaml:2:41: train\.losses\[1\]: .*isomax.*a\.yaml:4:13: detectors\[0\]: .*`mps`/s);
    expect(stderr).toMatch(/\n2 mistakes; nothing was run\.\n$/);
  });

  it.each<[string[], RegExp]>([
    [['a.yaml', '--score', 'mps'], /leave out --score/],
    [['a.yaml', '--dry-run', '--out', 'x', '--ood', 'mnist'], /leave out --ood, --out/],
    [['runs/x', '--dry-run'], /--dry-run goes with a manifest/],
  ])('%j is wrong usage', async (args, message) => {
    writeFileSync(join(folder, 'a.yaml'), small);
    const { code, stderr } = await isotorch(['evaluate', ...args], { cwd: folder, env });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('that is not there is an error', async () => {
    const { code, stderr } = await isotorch(['evaluate', 'none.yaml', '--dry-run'], { cwd: folder, env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^isotorch: ERR_FILE: Cannot read the manifest none\.yaml/);
  });
});

describe('docs/evaluation.md', () => {
  const docs = readFileSync(new URL('../docs/evaluation.md', import.meta.url), 'utf8');
  const blocks = (language: string) =>
    [...docs.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text!);

  it('shows manifests without a mistake', () => {
    const manifests = blocks('yaml');
    expect(manifests).toHaveLength(4);
    for (const text of manifests) expect(renderMistakes('docs', checkManifest(text).mistakes, text)).toBe('');
  });

  it('shows a mistake as it is printed', () => {
    const text =
      'name: a\ntrain: { data: fashion-mnist, losses: [isomax], precision: flaot32 }\nood: { far: [mnist] }\ndetectors: [mps]\n';
    expect(blocks('console')[1]).toContain(renderMistakes('wrong.yaml', checkManifest(text).mistakes, text));
  });

  it('names every key and every detector', () => {
    const words = [...Object.keys(manifestFields(ownDetectors)), ...Object.keys(ownDetectors.detectors)];
    expect(words.filter((word) => !docs.includes(`\`${word}\``))).toEqual([]);
  });
});
