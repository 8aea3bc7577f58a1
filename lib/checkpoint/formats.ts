// What a file is, told from its first bytes. Files get all kinds of names (.pt, .pth, .th, .ckpt, .bin); an error that says
// what came instead of a checkpoint saves an evening.

import { IsotorchError } from '../errors.js';
import type { ByteSource } from './source.js';

/** Enough for the marker of a tar archive. */
const headLength = 512;

/** A length that the file has, and a header in braces. */
const looksLikeSafetensors = (head: Buffer, size: number): boolean =>
  head.length > 9 && head.readBigUInt64LE() + 8n <= BigInt(size) && head.readBigUInt64LE() >= 2n && head[8] === 0x7b;

/** In words that follow "it is …", with what to do. The first that matches counts. */
const others: readonly [matches: (head: Buffer, size: number) => boolean, what: string][] = [
  [(head, size) => looksLikeSafetensors(head, size), 'a safetensors file: read it with loadSafetensors()'],
  [
    (head) => starts(head, 'PYTORCH1'),
    'a container of a PyTorch development version before 1.0, which today’s PyTorch doesn’t read either',
  ],
  [
    (head) => head[0] === 0x80 && (head[1] as number) >= 2 && (head[1] as number) <= 5,
    'a bare pickle, not a file of torch.save',
  ],
  [
    (head) => starts(head, 'version https://git-lfs'),
    'a pointer of Git LFS, not the file itself. Fetch it with `git lfs pull`',
  ],
  [
    (head) => /^\s*<(!doctype|html|\?xml)/i.test(head.toString('latin1')),
    'a web page, perhaps the error page of a download',
  ],
  [(head) => starts(head, '\x89HDF\r\n'), 'an HDF5 file, perhaps from Keras'],
  [(head) => starts(head, '\x93NUMPY'), 'a NumPy array: read it with loadNpy()'],
  [(head) => starts(head, 'GGUF'), 'a GGUF file of llama.cpp'],
  [(head) => starts(head, '\x1f\x8b'), 'compressed with gzip. Unpack it first'],
];

const starts = (head: Buffer, text: string): boolean => head.subarray(0, text.length).toString('latin1') === text;

export type CheckpointFormat = 'torch' | 'safetensors';

/** Which reader takes it: told from its bytes, then from its name; `torch` for all else, since that reader names what it is. */
export async function formatOf(source: ByteSource): Promise<CheckpointFormat> {
  const head = Buffer.from(await source.readRange(0, Math.min(headLength, source.size)));
  if (looksLikeSafetensors(head, source.size)) return 'safetensors';
  return source.name.endsWith('.safetensors') && !starts(head, 'PK\x03\x04') ? 'safetensors' : 'torch';
}

/** The magic number of the stream format, as every protocol of pickle writes it, and the end of its pickle. */
const streamMagic = Buffer.from('8a0a6cfc9c46f9206aa850192e', 'hex');

/** Which of the formats of torch.save it has. @throws ERR_FORMAT if it is none of them, saying what else it is. */
export async function detectFormat(source: ByteSource): Promise<'zip' | 'stream' | 'tar'> {
  const view = await source.read(0, Math.min(headLength, source.size));
  const head = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  if (starts(head, 'PK\x03\x04')) return 'zip';
  if (head[0] === 0x80 && head.subarray(0, 32).includes(streamMagic)) return 'stream';
  if (head.subarray(257, 262).toString('latin1') === 'ustar') return 'tar';
  const what = head.length === 0 ? 'empty' : others.find(([matches]) => matches(head, source.size))?.[1];
  throw notACheckpoint(source, what ?? 'of an unknown format');
}

/** What a zip archive with these entries is: PyTorch puts programs into archives too. */
export function archiveKind(names: readonly string[]): 'state' | 'script' | 'package' | 'numpy' {
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name));
  if (has(/^[^/]+\/constants\.pkl$/)) return 'script';
  if (has(/^([^/]+\/)?(archive_format|serialized_exported_program\.json)$|^([^/]+\/)?data\/aotinductor\//))
    return 'package';
  return has(/\.npy$/) ? 'numpy' : 'state';
}

/**
 * The folder of the pickle in an archive, with its slash.
 * @param scripts whether TorchScript may be looked at: its pickle makes objects of its own classes
 * @throws ERR_FORMAT for an archive of something else, saying what
 */
export function expectStateArchive(source: ByteSource, names: readonly string[], scripts = false): string {
  const kind = archiveKind(names);
  if (kind === 'script' && !scripts)
    throw notACheckpoint(source, 'a TorchScript model (torch.jit.save): a program, which loadScript() loads');
  if (kind === 'package')
    throw notACheckpoint(source, 'an exported program (.pt2): loadPackage() loads it if AOTInductor has compiled it');
  if (kind === 'numpy') throw notACheckpoint(source, 'an archive of NumPy arrays (.npz): read it with loadNpz()');
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw notACheckpoint(
      source,
      `a zip archive with ${pickles.length === 0 ? 'no' : 'more than one'} data.pkl in a folder`,
    );
  }
  return (pickles[0] as string).slice(0, -'data.pkl'.length);
}

const notACheckpoint = (source: ByteSource, what: string) =>
  new IsotorchError('ERR_FORMAT', `Expected a checkpoint of torch.save but ${source.name} is ${what}`);
