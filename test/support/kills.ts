// An evaluation that is killed again and again, without warning, and goes on each time.

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '../../lib/data/index.js';

const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));

/** Products of jobs in a folder of results, half-written ones left out. */
export function productsIn(out: string): string[] {
  return ['arrays', 'fits', 'scores', 'rows'].flatMap((kind) => {
    const folder = join(out, 'work', kind);
    try {
      return readdirSync(folder)
        .filter((name) => !name.endsWith('.tmp'))
        .map((name) => join(folder, name));
    } catch {
      return [];
    }
  });
}

/**
 * Runs a manifest `kills` times and kills it each time, soon after some jobs more are done; every fourth time at any moment
 * after its start, if that comes before.
 * @param total products of an undisturbed run
 * @returns at how many products each life ended
 */
export async function killRepeatedly(manifest: string, out: string, kills: number, total: number): Promise<number[]> {
  const random = new SeededRandom('kills', kills);
  const below = (n: number): number => random.uint32() % Math.max(1, Math.ceil(n));
  const lives: number[] = [];
  while (lives.length < kills) {
    const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, 'evaluate', manifest], {
      stdio: 'ignore',
    });
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_, signal) => resolve(signal)));
    let running = true;
    void ended.then(() => {
      running = false;
    });
    // Less than this life's share of what is left, so that there is something to do in every one.
    const done = productsIn(out).length;
    const enough = done + below((total - done) / (kills - lives.length + 1));
    const deadline = performance.now() + (lives.length % 4 === 3 ? below(1500) : Number.POSITIVE_INFINITY);
    while (running && productsIn(out).length <= enough && performance.now() < deadline) await wait(2);
    await wait(below(10));
    child.kill('SIGKILL');
    if ((await ended) !== 'SIGKILL') throw new Error(`It came to its end before ${kills} kills, after ${lives}`);
    lives.push(productsIn(out).length);
  }
  return lives;
}
