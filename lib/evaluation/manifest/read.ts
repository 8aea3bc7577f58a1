// From a file or a text to a manifest, or to the list of everything that is wrong with it.

import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { expected, IsotorchError } from '../../errors.js';
import { didYouMean } from '../../nearest.js';
import { printable } from '../../printable.js';
import { unite } from './consistency.js';
import { type DetectorSchemas, ownDetectors } from './detectorSchemas.js';
import { limits, locate, tooLong } from './located.js';
import { manifestFields } from './manifestShape.js';
import { ManifestError, type Mistake } from './mistakes.js';
import { type FileUse, Report, readFields } from './shapes.js';
import type { Manifest } from './types.js';

export interface CheckOptions {
  /** The detectors that there are. */
  readonly schemas?: DetectorSchemas;
  /** The folder that relative paths start from. @default they stay as they are */
  readonly base?: string;
}

export interface Checked {
  /** Null where there are mistakes. */
  readonly manifest: Manifest | null;
  /** In the order of the text. */
  readonly mistakes: readonly Mistake[];
  /** The paths that should exist. */
  readonly files: readonly FileUse[];
}

/**
 * Checks a manifest without looking at anything but its text. Never throws for a text, whatever is in it.
 *
 * @example
 * const { manifest, mistakes } = checkManifest('name: a\ndetectors: [mps]\ncheckpoints: []');
 */
export function checkManifest(text: string, { schemas = ownDetectors, base }: CheckOptions = {}): Checked {
  if (typeof text !== 'string') throw expected('the text of a manifest', 'text', text);
  const { root, mistakes: syntax } = locate(text);
  const report = new Report(base);
  let manifest: Manifest | null = null;
  if (root !== null) {
    const part = readFields(
      manifestFields(schemas),
      'a manifest: a map with name, checkpoints, ood, detectors …',
      root,
      '',
      report,
    );
    if (part !== undefined) manifest = unite(part, { place: root.place, path: '', node: root }, report);
  }
  const mistakes = inOrder([...syntax, ...report.mistakes]);
  return { manifest: mistakes.length === 0 ? manifest : null, mistakes, files: report.files };
}

export interface ReadOptions extends Pick<CheckOptions, 'schemas'> {
  /** Whether to look for the files that the manifest names. @default true */
  readonly files?: boolean;
}

/**
 * Reads and checks a manifest; its relative paths are taken from its folder.
 *
 * @throws ManifestError (ERR_FORMAT) with every mistake; ERR_FILE where the file itself can't be read
 * @example
 * const manifest = await readManifest('experiments/fashion-mnist.yaml');
 */
export async function readManifest(path: string, { files = true, schemas }: ReadOptions = {}): Promise<Manifest> {
  const bytes = await readBytes(path);
  if (bytes.length > limits.characters) throw new ManifestError(path, [tooLong('more')]);
  const { text, mistake } = decode(bytes);
  if (mistake) throw new ManifestError(path, [mistake]);
  const base = dirname(resolve(path));
  const checked = checkManifest(text, { base, ...(schemas && { schemas }) });
  const missing = files ? await Promise.all(checked.files.map(missingFile)) : [];
  const mistakes = inOrder([...checked.mistakes, ...missing.filter((each) => each !== null)]);
  if (checked.manifest === null || mistakes.length > 0) throw new ManifestError(path, mistakes, text);
  return checked.manifest;
}

/** Bytes of a manifest, one more than it may have at most. */
const MOST = limits.characters + 1;

async function readBytes(path: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      if (!(await file.stat()).isFile()) throw new Error('it is not a regular file');
      const buffer = Buffer.alloc(MOST);
      let length = 0;
      for (let read = -1; read !== 0 && length < MOST; length += read)
        read = (await file.read(buffer, length, MOST - length)).bytesRead;
      return buffer.subarray(0, length);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new IsotorchError('ERR_FILE', `Cannot read the manifest ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** UTF-8 as text, or where it stops being that. */
export function decode(bytes: Uint8Array): { readonly text: string; readonly mistake: Mistake | null } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), mistake: null };
  } catch {
    const before = goodPart(bytes).split('\n');
    const wide = bytes[0] === 0xff || bytes[0] === 0xfe;
    const mistake = {
      line: before.length,
      column: before.at(-1)!.length + 1,
      path: '',
      expected: 'text in UTF-8',
      received: 'bytes that are none',
      hint: wide ? 'It looks like UTF-16: save it as UTF-8.' : 'Save the file as UTF-8.',
    };
    return { text: '', mistake };
  }
}

/** The text up to the first bytes that are not UTF-8, found by halves. */
function goodPart(bytes: Uint8Array): string {
  let [good, bad] = [0, bytes.length];
  const decodes = (length: number): boolean => {
    try {
      // As a stream: the last character may be cut off.
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decodes(middle)) good = middle;
    else bad = middle;
  }
  return new TextDecoder('utf-8').decode(bytes.subarray(0, good), { stream: true });
}

async function missingFile({ file, kind, origin }: FileUse): Promise<Mistake | null> {
  const found = await stat(file).catch(() => null);
  if (found && (kind === 'folder' ? found.isDirectory() : found.isFile())) return null;
  const siblings = found ? [] : await readdir(dirname(file)).catch(() => []);
  return {
    ...origin.place,
    path: origin.path,
    expected: `a ${kind} that exists`,
    received: found ? `${printable(file)}, which is no ${kind}` : `${printable(file)}, which does not`,
    hint: didYouMean(basename(file), siblings),
  };
}

/** By place, each once: aliases lead to one place on several ways. */
function inOrder(mistakes: readonly Mistake[]): Mistake[] {
  const seen = new Set<string>();
  return [...mistakes]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .filter(({ line, column, expected, received }) => {
      const key = JSON.stringify([line, column, expected, received]);
      return !seen.has(key) && seen.add(key);
    });
}
