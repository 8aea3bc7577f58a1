// `isotorch doctor`: tells the truth about a machine that is in order, and for each thing that is wrong names it and the
// next step, even when the addon can't be loaded at all.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Diagnosis, diagnose, renderDiagnosis } from '../lib/doctor.js';
import { findLibTorch, packageFolder } from '../lib/libtorch.js';
import { native } from '../lib/native.js';
import { needs } from './support/skip.js';

const folder = mkdtempSync(join(tmpdir(), 'isotorch-doctor-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const env = { ...process.env, ISOTORCH_HOME: join(folder, 'home') };
/** What is wrong, and nothing that this machine may have of its own. */
const problemsOf = (diagnosis: Diagnosis) => diagnosis.problems.map(({ what, next }) => `${what} → ${next}`).join('\n');

describe('a machine in order', async () => {
  mkdirSync(join(folder, 'home', 'data'), { recursive: true });
  writeFileSync(join(folder, 'home', 'data', 'some-set'), 'x'.repeat(2_000_000));
  const diagnosis = await diagnose({ ...env, LIBTORCH: findLibTorch()?.path });
  const text = renderDiagnosis(diagnosis);

  it('has no problems', () => {
    expect(diagnosis.problems).toEqual([]);
    expect(text.split('\n').at(-1)).toBe('Everything is in order.');
  });

  it('is described as it is', () => {
    expect(diagnosis.node.version).toBe(process.versions.node);
    expect(diagnosis.libtorch?.path).toBe(findLibTorch()?.path);
    const { torchVersion, runtimeVersion, cxx11Abi } = native.buildInfo();
    expect(diagnosis.addon).toMatchObject({ loads: true, builtFor: torchVersion });
    expect(diagnosis.addon.path?.startsWith(packageFolder)).toBe(true);
    expect(diagnosis.runtime).toMatchObject({ torchVersion, runtimeVersion, cxx11Abi });
    expect(diagnosis.runtime?.threads).toBeGreaterThanOrEqual(1);
    expect(diagnosis.cache).toMatchObject({ writable: true, entries: [{ name: 'data', bytes: 2_000_000 }] });
    expect(diagnosis.data.map(({ name }) => name)).toContain('fashion-mnist');
  });

  it('has each library mapped once, from the LibTorch that was found', () => {
    if (process.platform !== 'linux') return;
    const named = (name: string) => diagnosis.mapped.filter((file) => file.endsWith(`/${name}`));
    for (const name of ['libc10.so', 'libtorch_cpu.so', 'libisotorch.so', 'libisomax.so']) {
      expect(named(name), name).toHaveLength(1);
    }
    expect(diagnosis.mapped.filter((file) => file.includes('/libgomp'))).toHaveLength(1);
  });

  it('says of each library for CUDA whether it is in use, where LibTorch has CUDA', () => {
    expect(diagnosis.accelerated.length).toBe(diagnosis.libtorch?.build.startsWith('cu') ? 2 : 0);
    const accelerated = [
      { name: 'graphs' as const, library: '/x/libisotorch_cuda.so', problem: null },
      { name: 'kernels' as const, library: '/x/libisomax_cuda.so', problem: 'it was not built' },
    ];
    expect(renderDiagnosis({ ...diagnosis, accelerated })).toMatch(
      /^ {2}CUDA {7}graphs: loaded\n {13}kernels: it was not built$/m,
    );
  });

  it('reads well, and survives JSON', () => {
    expect(text).toContain(`LibTorch   ${diagnosis.libtorch?.version}`);
    expect(text).toMatch(/^ {2}threads {4}\d+, inter-op \d+, CPU capability \w+/m);
    expect(text).toMatch(/^ {2}cache .*data 2.0 MB/m);
    expect(JSON.parse(JSON.stringify(diagnosis))).toEqual(diagnosis);
  });
});

describe('what is wrong', () => {
  it('LIBTORCH names a folder without LibTorch', async () => {
    const diagnosis = await diagnose({ ...env, LIBTORCH: join(folder, 'nowhere') });
    expect(diagnosis.libtorch).toBeNull();
    expect(diagnosis.addon.loads).toBe(false);
    expect(diagnosis.problems).toHaveLength(1);
    expect(diagnosis.problems[0]?.what).toContain(join(folder, 'nowhere'));
    expect(diagnosis.problems[0]?.next).toContain('Set LIBTORCH to the folder');
    expect(renderDiagnosis(diagnosis)).toMatch(/^✗ LIBTORCH is set to.*\n {2}→ Set LIBTORCH/ms);
  });

  it('LibTorch is damaged', async () => {
    const damaged = join(folder, 'damaged');
    mkdirSync(join(damaged, 'lib'), { recursive: true });
    for (const name of ['libc10.so', 'libtorch_cpu.so', 'libtorch.so']) {
      writeFileSync(join(damaged, 'lib', name), 'no library');
    }
    writeFileSync(join(damaged, 'build-version'), findLibTorch()?.version ?? '');
    const diagnosis = await diagnose({ ...env, LIBTORCH: damaged });
    expect(diagnosis.libtorch?.path).toBe(damaged);
    expect(diagnosis.addon.loads).toBe(false);
    expect(problemsOf(diagnosis)).toContain('libc10.so');
  });

  it('the addon was never built, or is no addon', async () => {
    const build = join(folder, 'broken', 'build', 'Release');
    mkdirSync(build, { recursive: true });
    writeFileSync(join(build, 'isotorch.node'), 'no addon');
    // node-gyp-build looks into the folder that this variable names.
    const broken = { ...env, LIBTORCH: findLibTorch()?.path, ISOTORCH_PREBUILD: join(folder, 'broken') };
    expect(problemsOf(await diagnose(broken))).toContain('npm run setup');
    for (const name of ['libisotorch.so', 'libisomax.so']) writeFileSync(join(build, name), 'no library');
    const diagnosis = await diagnose(broken);
    expect(diagnosis.addon).toMatchObject({ path: join(build, 'isotorch.node'), loads: false });
    expect(problemsOf(diagnosis)).toMatch(/isotorch\.node.*npm run (setup|clean)/s);
  });

  it('loading the addon kills the process', async () => {
    const killer = join(folder, 'killer.cjs');
    writeFileSync(killer, "process.kill(process.pid, 'SIGSEGV');");
    const diagnosis = await diagnose({
      ...env,
      LIBTORCH: findLibTorch()?.path,
      NODE_OPTIONS: `--require ${JSON.stringify(killer)}`,
    });
    expect(problemsOf(diagnosis)).toContain('SIGSEGV');
  });

  const systemOpenMp = ['/usr/lib/x86_64-linux-gnu/libgomp.so.1', '/usr/lib64/libgomp.so.1'].find(existsSync);
  needs(systemOpenMp, 'a libgomp of the system').it('two OpenMP libraries are loaded', async () => {
    const diagnosis = await diagnose({ ...env, LIBTORCH: findLibTorch()?.path, LD_PRELOAD: systemOpenMp });
    expect(problemsOf(diagnosis)).toMatch(/2 copies of libgomp.*LD_PRELOAD/);
  });
});
