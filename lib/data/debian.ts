// A data set out of its Debian package, without root and without installing anything: apt-get fetches the package from
// whatever mirrors this machine is set up with, into a folder of ours, and dpkg-deb unpacks it there. Where apt has no
// package lists (a fresh container) it fetches them into a folder of ours too; the system's own stay as they are.
import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify, types } from 'node:util';
import { IsotorchError } from '../errors.js';

const run = promisify(execFile);

/** Time limits in milliseconds: for the lists (some 10 MB), for the package (some 30 MB), for unpacking. */
const LIMITS = { update: 120_000, download: 300_000, unpack: 60_000 };

/**
 * Fetches and unpacks a package into `folder`, which must exist and be empty.
 * @returns the folder into which the package's root was unpacked
 * @throws ERR_FILE with apt's own words where there is no apt, no such package, no network
 */
export async function unpackDebianPackage(name: string, folder: string): Promise<string> {
  const lists = join(folder, 'lists');
  const cache = join(folder, 'apt');
  const packages = join(folder, 'packages');
  const unpacked = join(folder, 'unpacked');
  for (const needed of [join(lists, 'partial'), join(cache, 'archives', 'partial'), packages]) {
    await mkdir(needed, { recursive: true });
  }
  const quiet = ['-q', '-o', `Dir::Cache=${cache}`, '-o', 'Acquire::Retries=1'];
  for (const scheme of ['http', 'https']) quiet.push('-o', `Acquire::${scheme}::Timeout=20`);
  const own = [...quiet, '-o', `Dir::State::Lists=${lists}`];

  try {
    await command('apt-get', [...quiet, 'download', name], packages, LIMITS.download);
  } catch (first) {
    if (isMissing(first)) throw first;
    try {
      await command('apt-get', [...own, 'update'], packages, LIMITS.update);
      await command('apt-get', [...own, 'download', name], packages, LIMITS.download);
    } catch (second) {
      throw new IsotorchError('ERR_FILE', `${text(first)}; with package lists of our own: ${text(second)}`, {
        cause: second,
      });
    }
  }
  const file = (await readdir(packages)).find((entry) => entry.endsWith('.deb'));
  if (!file) throw new IsotorchError('ERR_FILE', `apt-get download ${name} left no .deb file`);
  await command('dpkg-deb', ['-x', join(packages, file), unpacked], folder, LIMITS.unpack);
  return unpacked;
}

async function command(program: string, args: readonly string[], cwd: string, timeout: number): Promise<void> {
  try {
    const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
    await run(program, args, { cwd, timeout, env, maxBuffer: 16 * 2 ** 20 });
  } catch (error) {
    throw new IsotorchError('ERR_FILE', explain(program, args, error, timeout), { cause: error });
  }
}

function explain(program: string, args: readonly string[], error: unknown, timeout: number): string {
  const { code, killed, stderr = '' } = error as { code?: unknown; killed?: boolean; stderr?: string };
  if (code === 'ENOENT') return `${program} is not installed here`;
  const verb = args.find((arg) => arg === 'update' || arg === 'download') ?? '';
  if (killed) return `${program} ${verb} did not end within ${timeout / 1000} s`;
  const lines = stderr.split('\n').filter((line) => /^(E|dpkg-deb: error):/.test(line));
  return `${program} ${verb}: ${lines.join(' ') || stderr.trim().split('\n').at(-1) || String(error)}`;
}

const isMissing = (error: unknown): boolean =>
  error instanceof IsotorchError && (error.cause as { code?: unknown } | undefined)?.code === 'ENOENT';

const text = (error: unknown): string => (types.isNativeError(error) ? error.message : String(error));
