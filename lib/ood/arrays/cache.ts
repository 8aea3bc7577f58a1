// Extracted arrays kept in a folder, each under the hash of what decided it, so that trying another detector costs no forward
// pass. An entry is one safetensors file that appears whole or not at all and carries a hash of its own numbers: whatever a
// kill, a full disk or a second process does, `get` gives the arrays that were put, or null.

import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors, saveSafetensors } from '../../checkpoint/index.js';
import { fileError } from '../../checkpoint/source.js';
import { expected, IsotorchError } from '../../errors.js';
import type { Arrays } from './arrays.js';
import { hashTensors } from './contentHash.js';
import { arraysFrom, type ReadArrays, type StoredArrays, storedOf } from './files.js';

export interface CacheEntry {
  readonly key: string;
  /** Of the file. */
  readonly bytes: number;
  /** When it was last put or got. */
  readonly used: Date;
}

export interface PruneOptions {
  /** Removes the entries used longest ago until no more than this is left. @default no limit */
  maxBytes?: number;
  /** Removes the entries that were not used for so many days. @default no limit */
  maxDays?: number;
}

const ending = '.safetensors';
const hashText = 'sha256';
const day = 24 * 3600 * 1000;

/**
 * Arrays by key. Any number of processes may use one folder at once.
 * @example
 * const cache = new ood.ArrayCache('runs/arrays');
 * const key = await ood.arraysKey({ weights: model.stateDict(), data: test, transform });
 * using found = await cache.get(key);
 * if (!found) await cache.put(key, await extractArrays());
 */
export class ArrayCache {
  /** @param directory made when something is put */
  constructor(readonly directory: string) {
    if (typeof directory !== 'string' || directory === '') throw expected('a path', 'directory', directory);
  }

  /**
   * The arrays under a key: null if there are none, or the entry is damaged (its hash is checked), which `put` then mends. A
   * head that the entry holds is made anew. Whoever asked disposes of them: `using`.
   *
   * @throws ERR_FILE if the entry is there and can't be read; ERR_ARGUMENT for another key than `arraysKey` makes
   */
  async get(key: string): Promise<ReadArrays | null> {
    const path = this.#path(key);
    try {
      await using file = await openSafetensors(path);
      const stored = { tensors: await file.load(), texts: file.metadata };
      if ((await hashOf(key, stored)) !== stored.texts.get(hashText)) {
        for (const tensor of stored.tensors.values()) tensor.dispose();
        return null;
      }
      const read = await arraysFrom(stored, path);
      const now = new Date();
      await utimes(path, now, now).catch(() => {}); // a folder that is read-only, or an entry that was just removed
      return read;
    } catch (error) {
      if (isMiss(error)) return null;
      throw error;
    }
  }

  /**
   * Puts arrays under a key, in place of what was there.
   * @throws ERR_FILE if the folder can't be written; ERR_ARGUMENT for another key than `arraysKey` makes; and as `writeArrays`
   */
  async put(key: string, arrays: Arrays): Promise<void> {
    const path = this.#path(key);
    const stored = storedOf(arrays);
    const metadata = new Map([...stored.texts, [hashText, await hashOf(key, stored)]]);
    try {
      await mkdir(this.directory, { recursive: true });
    } catch (error) {
      throw fileError('write', this.directory, error);
    }
    await saveSafetensors(path, stored.tensors, { metadata, shared: 'copy' });
  }

  /** All entries, the latest used first. */
  async entries(): Promise<CacheEntry[]> {
    const found: CacheEntry[] = [];
    for (const name of await this.#files()) {
      const key = name.slice(0, -ending.length);
      if (!name.endsWith(ending) || !isKey(key)) continue;
      const file = await stat(join(this.directory, name)).catch(() => undefined); // removed meanwhile
      if (file) found.push({ key, bytes: file.size, used: file.mtime });
    }
    return found.sort((a, b) => b.used.getTime() - a.used.getTime());
  }

  /**
   * Removes entries by age and size, and what killed processes left behind.
   * @returns what was removed
   * @throws ERR_FILE if something can't be removed
   */
  async prune({ maxBytes = Infinity, maxDays = Infinity }: PruneOptions = {}): Promise<CacheEntry[]> {
    for (const [name, value] of Object.entries({ maxBytes, maxDays }))
      if (typeof value !== 'number' || !(value >= 0)) throw expected('a number of 0 or more', name, value);
    const removed: CacheEntry[] = [];
    let kept = 0;
    for (const entry of await this.entries()) {
      if (kept + entry.bytes <= maxBytes && Date.now() - entry.used.getTime() <= maxDays * day) {
        kept += entry.bytes;
        continue;
      }
      await this.#remove(entry.key + ending);
      removed.push(entry);
    }
    for (const name of await this.#files()) {
      if (!temporary.test(name)) continue;
      const file = await stat(join(this.directory, name)).catch(() => undefined);
      // A day old: its writer was killed.
      if (file && Date.now() - file.mtimeMs > day) await this.#remove(name);
    }
    return removed;
  }

  async #files(): Promise<string[]> {
    try {
      return await readdir(this.directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw fileError('read', this.directory, error);
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await rm(join(this.directory, name), { force: true });
    } catch (error) {
      throw fileError('remove', name, error);
    }
  }

  #path(key: string): string {
    if (!isKey(key)) throw expected('64 hexadecimal digits, as arraysKey() gives them,', 'key', key);
    return join(this.directory, key + ending);
  }
}

const isKey = (key: unknown): key is string => typeof key === 'string' && /^[0-9a-f]{64}$/.test(key);

/** Of all that an entry says, its place included. */
async function hashOf(key: string, { tensors, texts }: StoredArrays): Promise<string> {
  const said = [...texts].filter(([name]) => name !== hashText).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([key, said, await hashTensors(tensors)]))
    .digest('hex');
}

/** What `writeFileAtomically` calls the files that it renames. */
const temporary = /^\.[0-9a-f]{1,40}\.[0-9a-f]{12}\.tmp$/;

/** No such entry, or one that is damaged; not one that the system refuses to read. */
function isMiss(error: unknown): boolean {
  if (!(error instanceof IsotorchError)) return false;
  if (error.code === 'ERR_FILE') return (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  return error.code === 'ERR_FORMAT' || error.code === 'ERR_DTYPE' || error.code === 'ERR_DATA';
}
