// One set-up at a time, in a checkout and in the shared cache: a lock file made exclusively, with the owner's process
// id in it. Whoever comes second waits and then finds the work done. A lock whose owner has died is taken over: at once
// on the same machine, after a minute without a sign of life where the folder is shared between machines.
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const heartbeat = 5_000;
const silence = 60_000;

/** Takes the lock, waiting as long as its owner lives; `onWait(owner)` is called once if it has to. Returns the release. */
export async function acquire(file, onWait = () => {}) {
  mkdirSync(dirname(file), { recursive: true });
  let told = false;
  while (!create(file)) {
    if (isStale(file)) {
      // Only one of the waiting may remove it, or the second would remove the first one's new lock.
      const remover = `${file}.stale`;
      if (create(remover)) {
        if (isStale(file)) rmSync(file, { force: true });
        rmSync(remover, { force: true });
      } else if (isStale(remover)) rmSync(remover, { force: true });
      continue;
    }
    if (!told) onWait(owner(file));
    told = true;
    await sleep(250);
  }
  const alive = setInterval(() => touch(file), heartbeat);
  alive.unref();
  const release = () => {
    clearInterval(alive);
    process.removeListener('exit', release);
    if (owner(file)?.pid === process.pid) rmSync(file, { force: true });
  };
  process.on('exit', release);
  return release;
}

function create(file) {
  try {
    const handle = openSync(file, 'wx');
    writeSync(handle, JSON.stringify({ pid: process.pid, host: hostname() }));
    closeSync(handle);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function owner(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // gone, or its owner is just writing it
  }
}

function isStale(file) {
  const age = ageOf(file);
  if (age === undefined) return false;
  const { pid, host } = owner(file) ?? {};
  if (pid === undefined || host !== hostname()) return age > silence;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

function ageOf(file) {
  const status = statSync(file, { throwIfNoEntry: false });
  return status && Date.now() - status.mtimeMs;
}

function touch(file) {
  const now = new Date();
  try {
    utimesSync(file, now, now);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error; // someone ran `npm run clean` meanwhile
  }
}
