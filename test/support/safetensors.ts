// Python's package `safetensors`, for parity tests and benchmarks: the one that the Python with torch has, else one that pip
// puts into a temporary folder, once; and files put together by hand.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { python } from './python.js';

const version = '0.8.0';

/** What `sys.path` needs for `import safetensors`, '' where nothing; undefined where it can't be had. */
export const safetensorsPath: string | undefined = python === undefined ? undefined : find(python);

function find(interpreter: string): string | undefined {
  if (spawnSync(interpreter, ['-c', 'import safetensors']).status === 0) return '';
  const folder = join(tmpdir(), `isotorch-test-safetensors-${version}`);
  if (existsSync(folder)) return folder;
  const fresh = mkdtempSync(`${folder}-`);
  try {
    const pip = ['-m', 'pip', 'install', '-q', '--retries', '0', '--timeout', '5', '--no-deps', '--target', fresh];
    if (spawnSync(interpreter, [...pip, `safetensors==${version}`]).status !== 0) return undefined;
    renameSync(fresh, folder);
  } catch {
    // Another test process was faster.
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return existsSync(folder) ? folder : undefined;
}

/** A file with this header, an object or its JSON, and so many bytes of data: 0, 1, 2 … */
export function safetensorsOf(header: unknown, dataBytes = 0, length?: bigint): Uint8Array {
  const json = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([prefix, json, Buffer.from(Array.from({ length: dataBytes }, (_, i) => i % 256))]);
}
