// A run directory belongs to one process at a time: two trainers would overwrite each other's checkpoints and mix their
// metrics. The owner leaves a small JSON file that names it. A lock whose process has ended is stale and is taken over; where
// that cannot be known (another machine on a shared disk), the error says who holds it and what to do. A process number alone
// proves nothing (in containers every first process is number 1), so on Linux the process' start time is compared as well.

import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { IsotorchError } from '../errors.js';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** The kernel's start time of the process, in clock ticks since boot. Only Linux tells. */
  readonly started?: string;
  readonly since: string;
}

/** A lock file without an owner in it is one being written, for this long; after that its writer has died. */
const WRITING_MS = 10_000;

export class Lock {
  #held = true;
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
    process.once('exit', this.release);
  }

  /**
   * Takes the lock at `path`.
   * @param place what it locks, for messages
   * @throws ERR_FILE when a living process holds it, or when the file cannot be written.
   */
  static acquire(path: string, place = 'run directory'): Lock {
    const mine: Owner = {
      pid: process.pid,
      host: hostname(),
      ...started(process.pid),
      since: new Date().toISOString(),
    };
    for (let attempt = 0; attempt < 3; attempt++) {
      if (create(path, `${JSON.stringify(mine)}\n`)) return new Lock(path);
      const found = read(path);
      if (found === undefined) continue; // released between the two calls
      if (!isStale(found)) throw refusal(path, place, found.owner);
      if (!remove(path, found.text)) throw refusal(path, place, read(path)?.owner);
    }
    throw refusal(path, place, read(path)?.owner);
  }

  /** Gives the directory back. Harmless when called twice. */
  readonly release = (): void => {
    if (!this.#held) return;
    this.#held = false;
    process.removeListener('exit', this.release);
    rmSync(this.#path, { force: true });
  };
}

interface Found {
  readonly text: string;
  readonly owner: Owner | undefined;
  readonly ageMs: number;
}

function create(path: string, text: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'wx');
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw new IsotorchError('ERR_FILE', `Cannot write the lock file ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
  return true;
}

function read(path: string): Found | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return { text, owner: parseOwner(text), ageMs: Date.now() - statSync(path).mtimeMs };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Partial<Owner> | null;
    return typeof owner?.pid === 'number' && typeof owner.host === 'string' ? (owner as Owner) : undefined;
  } catch {
    return undefined; // cut off while being written
  }
}

function isStale({ owner, ageMs }: Found): boolean {
  if (owner === undefined) return ageMs > WRITING_MS;
  // 0 and negative numbers stand for groups of processes; asking after them would ask after ourselves.
  if (!Number.isSafeInteger(owner.pid) || owner.pid <= 0) return true;
  if (owner.host !== hostname()) return false;
  if (!isAlive(owner.pid)) return true;
  const now = started(owner.pid).started;
  return owner.started !== undefined && now !== undefined && now !== owner.started;
}

/** Removes a stale lock, unless another process has replaced it since `text` was read. */
function remove(path: string, text: string): boolean {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return true;
    throw error;
  }
  if (readFileSync(aside, 'utf8') !== text) {
    renameSync(aside, path);
    return false;
  }
  rmSync(aside);
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM'; // it lives and belongs to another user
  }
}

function started(pid: number): { started?: string } {
  if (process.platform !== 'linux') return {};
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses, which may hold spaces; the start time is the 22nd field.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks === undefined ? {} : { started: ticks };
  } catch {
    return {}; // ended, or /proc is not mounted
  }
}

function refusal(path: string, place: string, owner: Owner | undefined): IsotorchError {
  const who = owner
    ? `process ${owner.pid} on ${owner.host} (since ${owner.since})`
    : 'another process that is just starting';
  return new IsotorchError(
    'ERR_FILE',
    `This ${place} is in use by ${who}. Wait for it to end or choose another directory. ` +
      `If that process is gone, delete ${path} and start again`,
  );
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
