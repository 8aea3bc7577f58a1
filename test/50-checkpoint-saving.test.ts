// A save is whole or did not happen: under failures, at once with others, and when the process is killed in the middle.

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { writeFileAtomically } from '../lib/checkpoint/atomicFile.js';
import { loadTorch, saveTorch } from '../lib/checkpoint/index.js';
import { type Tensor, torch } from '../lib/tensor/index.js';
import { killWhileSaving, withFolder } from './support/checkpoints.js';
import { needs } from './support/skip.js';

describe('saving', () => {
  it('follows links, keeps the mode, leaves nothing else in the folder', () =>
    withFolder(async (folder) => {
      const [real, link] = [join(folder, 'real.pt'), join(folder, 'link.pt')];
      await saveTorch(real, 1);
      chmodSync(real, 0o640);
      symlinkSync(real, link);
      await saveTorch(link, 2);
      expect(lstatSync(link).isSymbolicLink()).toBe(true);
      expect(await loadTorch(real)).toBe(2);
      expect(statSync(real).mode & 0o777).toBe(0o640);
      expect(readdirSync(folder).sort()).toEqual(['link.pt', 'real.pt']);
    }));

  it('says why it can’t', () =>
    withFolder(async (folder) => {
      await expect(saveTorch(join(folder, 'no', 'x.pt'), 1)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringContaining('no such file or folder'),
      });
      mkdirSync(join(folder, 'x.pt'));
      await expect(saveTorch(join(folder, 'x.pt'), 1)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringContaining('is a folder'),
      });
      await expect(saveTorch('/dev/null', 1)).rejects.toMatchObject({ code: 'ERR_FILE' });
      await expect(saveTorch('', 1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
      await expect(saveTorch(join(folder, 'n'.repeat(300)), 1)).rejects.toMatchObject({ code: 'ERR_FILE' });
      await saveTorch(join(folder, 'n'.repeat(250)), 1);
      await expect(saveTorch(undefined as never, 1)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }));

  it('leaves the old file where it fails half-way', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await saveTorch(path, 'old');
      const failing = writeFileAtomically(path, async (sink) => {
        await sink.write(Buffer.alloc(3_000_000));
        throw new Error('half-way');
      });
      await expect(failing).rejects.toThrow('half-way');
      expect(await loadTorch(path)).toBe('old');
      expect(readdirSync(folder)).toEqual(['x.pt']);
    }));

  const namespaces = spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0;
  needs(namespaces, 'unshare and user namespaces, for a small disk').it(
    'leaves the old file or the new one on a full disk',
    () =>
      withFolder(async (folder) => {
        const program = fileURLToPath(new URL('./support/fillDisk.ts', import.meta.url));
        const command = [process.execPath, '--import', 'tsx', program, folder, '40'];
        const ended = spawnSync('unshare', ['--map-root-user', '--mount', ...command], { encoding: 'utf8' });
        expect(ended.status, ended.stderr).toBe(0);
        const outcomes: { version: number; failed: string | null; loaded: number; left: string[] }[] = JSON.parse(
          ended.stdout,
        );
        expect(outcomes.length).toBe(80);
        const failures = outcomes.filter(({ failed }) => failed !== null);
        for (const { version, failed, loaded, left } of outcomes) {
          expect(loaded).toBe(failed === null ? version + 1 : version);
          if (failed !== null) expect(failed).toMatch(/^ERR_FILE .*the disk is full/);
          expect(left).toEqual([]);
        }
        expect(failures.length).toBeGreaterThan(40);
        expect(failures.length).toBeLessThan(80);
      }),
    60_000,
  );

  needs(existsSync('/dev/full'), 'a /dev/full').it('tells of a full disk in these words', async () => {
    const { fileError } = await import('../lib/checkpoint/source.js');
    const { open } = await import('node:fs/promises');
    const full = await open('/dev/full', 'w');
    const cause = await full.write(Buffer.alloc(10)).catch((error) => error);
    await full.close();
    expect(fileError('write', 'x.pt', cause)).toMatchObject({
      code: 'ERR_FILE',
      message: 'Could not write x.pt: the disk is full',
    });
  });

  it('at once to one path leaves one of the files, whole', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      await Promise.all([1, 2, 3, 4].map((n) => saveTorch(path, { n, w: torch.full([50_000], n) })));
      const loaded = await loadTorch<Map<string, Tensor & number>>(path);
      expect(
        loaded
          .get('w')
          ?.eq(loaded.get('n') as number)
          .all()
          .item(),
      ).toBe(true);
      expect(readdirSync(folder)).toEqual(['x.pt']);
    }));

  it('survives being killed at any moment', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'x.pt');
      let last = 0;
      for (const delay of [3, 11, 28]) {
        last = await killWhileSaving(path, last + 1, delay);
        const loaded = await loadTorch<Map<string, Tensor & number>>(path);
        const n = loaded.get('n') as number;
        expect(n === last || n === last + 1).toBe(true);
        for (const name of ['first', 'last']) expect(loaded.get(name)?.eq(n).all().item()).toBe(true);
      }
    }));
});
