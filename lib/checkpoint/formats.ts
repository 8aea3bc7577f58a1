// What a file is, told from its first bytes, and which call reads it: the one place that knows. Files get all kinds of names (.pt, .pth,
// .th, .ckpt, .bin); an error that says what came, and what to do with it, saves an evening.

import { IsotorchError } from '../errors.js';
import type { ByteSource } from './source.js';
import { ZipReader } from './zip/reader.js';

interface Known {
  /** In words that follow "it is …". */
  readonly what: string;
  /** What to do with it, as a sentence's end. */
  readonly next?: string;
}

/** Every kind of file that people take for a checkpoint, and the call that reads it. */
const kinds = {
  torch: { what: 'a file of torch.save', next: 'read it with checkpoint.loadTorch()' },
  tar: {
    what: 'a tar archive',
    next: 'if torch.save wrote it, before PyTorch 0.1.10, read it with checkpoint.loadTorch()',
  },
  script: { what: 'a TorchScript model (torch.jit.save): a program', next: 'load it with loadScript()' },
  package: { what: 'a compiled package of AOTInductor (.pt2)', next: 'load it with loadPackage()' },
  exported: {
    what: 'an exported program (.pt2 of torch.export.save), which is not compiled',
    next: 'compile it in Python with torch._inductor.aoti_compile_and_package(), and load that with loadPackage()',
  },
  safetensors: { what: 'a safetensors file', next: 'read it with checkpoint.loadSafetensors()' },
  index: {
    what: 'the index of a checkpoint in several files (*.index.json)',
    next: 'read all of them with checkpoint.loadSafetensors(), or checkpoint.loadTorch() if they are .bin files, by the index’s path',
  },
  npy: { what: 'a NumPy array (.npy)', next: 'read it with checkpoint.loadNpy()' },
  npz: { what: 'an archive of NumPy arrays (.npz)', next: 'read it with checkpoint.loadNpz()' },
  distributed: {
    what: 'a part of a distributed checkpoint (DCP)',
    next: 'read its folder, with .metadata in it, with checkpoint.loadTorch(), or make one file of it in Python with torch.distributed.checkpoint.format_utils.dcp_to_torch_save()',
  },
  archive: { what: 'a zip archive of other things' },
  ancient: {
    what: 'a container of a PyTorch development version before 1.0, which today’s PyTorch doesn’t read either',
  },
  pickle: { what: 'a bare pickle, not a file of torch.save' },
  onnx: {
    what: 'an ONNX model',
    next: 'run it with ONNX Runtime; its weights in PyTorch’s format are in the file that it was exported from',
  },
  hdf5: { what: 'an HDF5 file, perhaps from Keras', next: 'save its weights as .npz or safetensors in Python' },
  gguf: { what: 'a GGUF file of llama.cpp' },
  lfs: { what: 'a pointer of Git LFS, not the file itself', next: 'fetch it with `git lfs pull`' },
  page: { what: 'a web page, perhaps the error page of a download', next: 'fetch it again' },
  gzip: { what: 'compressed with gzip', next: 'unpack it first' },
  zstd: { what: 'compressed with Zstandard', next: 'unpack it first' },
  empty: { what: 'empty' },
  unknown: { what: 'of an unknown format' },
} as const satisfies Record<string, Known>;

export type FileKind = keyof typeof kinds;

/** Enough for the marker of a tar archive. */
const headLength = 512;

const starts = (head: Buffer, text: string): boolean => head.subarray(0, text.length).toString('latin1') === text;
const isZip = (head: Buffer): boolean => starts(head, 'PK\x03\x04') || starts(head, 'PK\x05\x06');

/** A length that the file has, and a header in braces. */
const looksLikeSafetensors = (head: Buffer, size: number): boolean =>
  head.length > 9 && head.readBigUInt64LE() + 8n <= BigInt(size) && head.readBigUInt64LE() >= 2n && head[8] === 0x7b;

/** The magic number of the stream format, as every protocol of pickle writes it, and the end of its pickle. */
const streamMagic = Buffer.from('8a0a6cfc9c46f9206aa850192e', 'hex');
const isStream = (head: Buffer): boolean => head[0] === 0x80 && head.subarray(0, 32).includes(streamMagic);
const isTar = (head: Buffer): boolean => head.subarray(257, 262).toString('latin1') === 'ustar';

/** The length of a header of safetensors may begin with the same two bytes. */
const isPickle = (head: Buffer): boolean =>
  head[0] === 0x80 && (head[1] as number) >= 2 && (head[1] as number) <= 5 && head[8] !== 0x7b;
const namesDistributed = (head: Buffer): boolean =>
  isPickle(head) && head.subarray(0, 128).includes('torch.distributed.checkpoint.metadata');

/** ModelProto: the version of its format, then a text or a message. */
const isOnnx = (head: Buffer): boolean =>
  head[0] === 0x08 && (head[1] as number) < 0x20 && [0x12, 0x1a, 0x22, 0x3a, 0x42].includes(head[2] as number);

/** The first that matches counts. */
const marks: readonly [kind: FileKind, matches: (head: Buffer, source: ByteSource) => boolean][] = [
  ['empty', (head) => head.length === 0],
  ['distributed', (head, { name }) => namesDistributed(head) || (isZip(head) && name.endsWith('.distcp'))],
  ['archive', (head) => isZip(head)],
  ['torch', isStream],
  ['tar', isTar],
  ['safetensors', (head, { size }) => looksLikeSafetensors(head, size)],
  ['ancient', (head) => starts(head, 'PYTORCH1')],
  ['pickle', isPickle],
  ['lfs', (head) => starts(head, 'version https://git-lfs')],
  ['page', (head) => /^\s*<(!doctype|html|\?xml)/i.test(head.toString('latin1'))],
  [
    'index',
    (head) => /^\s*\{/.test(head.toString('latin1')) && /"(weight_map|metadata)"/.test(head.toString('latin1')),
  ],
  ['hdf5', (head) => starts(head, '\x89HDF\r\n')],
  ['npy', (head) => starts(head, '\x93NUMPY')],
  ['gguf', (head) => starts(head, 'GGUF')],
  ['gzip', (head) => starts(head, '\x1f\x8b')],
  ['zstd', (head) => starts(head, '\x28\xb5\x2f\xfd')],
  ['onnx', (head, { name }) => isOnnx(head) || name.endsWith('.onnx')],
];

function kindOfHead(head: Buffer, source: ByteSource): FileKind {
  return marks.find(([, matches]) => matches(head, source))?.[0] ?? 'unknown';
}

/** Reads nothing around the head: it may be all that is wanted of the file. */
async function headOf(source: ByteSource): Promise<Buffer> {
  const view = await source.readRange(0, Math.min(headLength, source.size));
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** What a file is. Of a zip archive, its directory tells; of one that is damaged, nothing. */
export async function kindOf(source: ByteSource): Promise<FileKind> {
  const kind = kindOfHead(await headOf(source), source);
  if (kind !== 'archive') return kind;
  try {
    return contentsOf((await ZipReader.open(source)).entries.keys()).kind;
  } catch (error) {
    if (error instanceof IsotorchError && error.code === 'ERR_FORMAT') return 'unknown';
    throw error;
  }
}

/** What a zip archive with these entries is: PyTorch puts programs into archives too. And its pickles of torch.save. */
export function contentsOf(names: Iterable<string>): { kind: FileKind; pickles: readonly string[] } {
  const found = new Set<FileKind>();
  const pickles: string[] = [];
  for (const name of names) {
    // The many, which say nothing: storages, whose names are numbers.
    const last = name.charCodeAt(name.length - 1);
    if (last >= 0x30 && last <= 0x39) continue;
    if (/^[^/]+\/data\.pkl$/.test(name)) pickles.push(name);
    else if (/^[^/]+\/constants\.pkl$/.test(name)) found.add('script');
    else if (/^([^/]+\/)?data\/aotinductor\//.test(name)) found.add('package');
    else if (/^([^/]+\/)?(archive_format|serialized_exported_program\.json)$/.test(name)) found.add('exported');
    else if (/\.npy$/.test(name)) found.add('npz');
  }
  if (pickles.length > 0) found.add('torch');
  const kind = (['script', 'package', 'exported', 'npz', 'torch'] as const).find((one) => found.has(one));
  return { kind: kind ?? 'archive', pickles };
}

const stateFile = 'a checkpoint of torch.save';

export type CheckpointFormat = 'torch' | 'safetensors';

/** Which reader takes it: told from its bytes, then from its name; `torch` for all else, since that reader names what it is. */
export async function formatOf(source: ByteSource): Promise<CheckpointFormat> {
  const kind = kindOfHead(await headOf(source), source);
  if (kind === 'safetensors') return 'safetensors';
  return source.name.endsWith('.safetensors') && kind !== 'archive' ? 'safetensors' : 'torch';
}

/** Which of the formats of torch.save it has. @throws ERR_FORMAT if it is none of them, saying what else it is. */
export async function detectFormat(source: ByteSource): Promise<'zip' | 'stream' | 'tar'> {
  const view = await source.read(0, Math.min(headLength, source.size));
  const head = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  const kind = kindOfHead(head, source);
  if (kind === 'archive') return 'zip';
  if (kind === 'torch') return 'stream';
  if (kind === 'tar') return 'tar';
  throw wrongKind(source, stateFile, kind);
}

/**
 * The folder of the pickle in an archive, with its slash.
 * @param scripts whether TorchScript may be looked at: its pickle makes objects of its own classes
 * @throws ERR_FORMAT for an archive of something else, saying what
 */
export function expectStateArchive(source: ByteSource, names: Iterable<string>, scripts = false): string {
  const { kind, pickles } = contentsOf(names);
  if (kind !== 'torch' && kind !== 'archive' && !(kind === 'script' && scripts))
    throw wrongKind(source, stateFile, kind);
  if (pickles.length === 1) return (pickles[0] as string).slice(0, -'data.pkl'.length);
  throw new IsotorchError(
    'ERR_FORMAT',
    `Expected ${stateFile} but ${source.name} is a zip archive with ${pickles.length === 0 ? 'no' : 'more than one'} data.pkl in a folder`,
  );
}

/**
 * Refuses a file that is known to be something else than its reader takes; what is not known at all, the reader judges itself.
 * @param what in words, such as `a safetensors file`
 * @throws ERR_FORMAT
 */
export async function expectKind(source: ByteSource, what: string, ...accepted: readonly FileKind[]): Promise<void> {
  const kind = await kindOf(source);
  if (kind !== 'unknown' && kind !== 'empty' && !accepted.includes(kind)) throw wrongKind(source, what, kind);
}

export function wrongKind(source: ByteSource, expected: string, kind: FileKind): IsotorchError {
  const { what, next }: Known = kinds[kind];
  const advice = next === undefined ? '' : `: ${next}`;
  return new IsotorchError('ERR_FORMAT', `Expected ${expected} but ${source.name} is ${what}${advice}`);
}
