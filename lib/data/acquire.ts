// Brings a known set's files into the cache: from Debian's package where there is one, else from its addresses. Every
// file is verified in a folder of this process's own and then renamed into place, so two processes that do this at
// once, or one that is killed half-way, leave only whole and right files under the files' names.
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { types } from 'node:util';
import { IsotorchError } from '../errors.js';
import type { ImageSource, SourceFile, Split } from '../known/dataSets.js';
import { unpackDebianPackage } from './debian.js';
import { download } from './download.js';
import { cacheBase, cacheFolder } from './places.js';
import { readVerified } from './verify.js';

const WORKING = '.fetch-';
const ABANDONED = 24 * 3600 * 1000;

/** Acquisitions that this process has under way, so that two callers share one. */
const underWay = new Map<string, Promise<void>>();

/**
 * Makes the files of a split lie in the cache.
 * @param log is told what is fetched from where
 * @throws ERR_DATA with the reason of each way that failed, one a line
 */
export function acquire(source: ImageSource, split: Split, log: (message: string) => void): Promise<void> {
  const key = `${cacheFolder(source)} ${split}`;
  const running = underWay.get(key) ?? fetchSplit(source, split, log).finally(() => underWay.delete(key));
  underWay.set(key, running);
  return running;
}

async function fetchSplit(source: ImageSource, split: Split, log: (message: string) => void): Promise<void> {
  const base = cacheBase();
  const failures: string[] = [];
  let working: string;
  try {
    await mkdir(base, { recursive: true });
    await removeAbandoned(base);
    working = await mkdtemp(join(base, WORKING));
  } catch (error) {
    throw new IsotorchError('ERR_DATA', `the cache ${base} can't be written: ${text(error)}`, { cause: error });
  }
  try {
    if (source.debian && process.platform === 'linux') {
      try {
        log(`fetching ${source.title} from Debian's package ${source.debian.package}`);
        const unpacked = await unpackDebianPackage(source.debian.package, working);
        await install(source, split, join(unpacked, source.debian.folder), `${source.debian.folder}/`);
        return;
      } catch (error) {
        failures.push(`Debian's package ${source.debian.package}: ${text(error)}`);
      }
    }
    for (const address of source.addresses) {
      try {
        const folder = await mkdtemp(join(working, 'download-'));
        for (const { name } of filesOf(source, split)) {
          log(`fetching ${source.title} from ${address}${name}.gz`);
          await download(`${address}${name}.gz`, join(folder, `${name}.gz`));
        }
        await install(source, split, folder, address);
        return;
      } catch (error) {
        failures.push(text(error));
      }
    }
  } finally {
    await rm(working, { recursive: true, force: true });
  }
  throw new IsotorchError('ERR_DATA', failures.join('\n'));
}

/**
 * Verifies what is in `folder` and moves it into the cache: the split's files, and the other split's where they came along.
 * @param from where the files come from, put before their names in messages
 */
async function install(source: ImageSource, split: Split, folder: string, from: string): Promise<void> {
  const here = new Set(await readdir(folder));
  const wanted = filesOf(source, split);
  const others = filesOf(source, split === 'train' ? 'test' : 'train').filter(({ name }) => here.has(`${name}.gz`));
  const all = [...wanted, ...others];
  for (const file of all) await readVerified(join(folder, `${file.name}.gz`), file, `${from}${file.name}.gz`);
  await mkdir(cacheFolder(source), { recursive: true });
  for (const { name } of all) {
    await rename(join(folder, `${name}.gz`), join(cacheFolder(source), `${name}.gz`));
  }
}

const filesOf = (source: ImageSource, split: Split): SourceFile[] => Object.values(source.files[split]);

/** Working folders of processes that were killed, once they are a day old. */
async function removeAbandoned(base: string): Promise<void> {
  for (const entry of await readdir(base)) {
    if (!entry.startsWith(WORKING)) continue;
    const folder = join(base, entry);
    const changed = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Date.now(), // another process was faster
    );
    if (Date.now() - changed > ABANDONED) await rm(folder, { recursive: true, force: true });
  }
}

const text = (error: unknown): string => (types.isNativeError(error) ? error.message : String(error));
