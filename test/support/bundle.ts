// The archive of `npm run bundle`, for its two tests.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** Writes the archive and returns what was said. */
export const makeBundle = (archive: string) =>
  mustRun(process.execPath, [join(root, 'scripts', 'bundle.mjs'), '--out', archive]);

/** Unpacks it into the new folder `place` and returns its one folder there. */
export function unpack(archive: string, place: string): string {
  mkdirSync(place, { recursive: true });
  mustRun('tar', ['-xzf', archive, '-C', place]);
  const [top, ...more] = readdirSync(place);
  if (top === undefined || more.length > 0)
    throw new Error(`Not one folder in ${archive}: ${[top, ...more].join(', ')}`);
  return join(place, top);
}

function mustRun(command: string, args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}
