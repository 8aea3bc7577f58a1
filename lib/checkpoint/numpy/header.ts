// The header of a .npy file (NumPy Enhancement Proposal 1; versions 1, 2 and 3 differ in the width of its length and in its
// text's encoding): a Python dict of the element type, the order in memory and the shape, padded so that the data are aligned.
// Read by a grammar of its own that knows just this dict; nothing is evaluated, and no size is believed before it is checked.

import { IsotorchError } from '../../errors.js';
import { itemSize, type SavedDType } from '../dtypes.js';
import type { ByteSource } from '../source.js';
import { numpyDTypes } from './dtypes.js';

export interface NpyHeader {
  readonly dtype: SavedDType;
  /** The numbers are big-endian. */
  readonly swapped: boolean;
  /** The first index varies fastest. */
  readonly fortran: boolean;
  readonly shape: readonly number[];
  /** Where the data start. */
  readonly offset: number;
  readonly nbytes: number;
}

const codes = new Map(Object.entries(numpyDTypes).map(([code, dtype]) => [dtype as string, code]));

const magic = '\x93NUMPY';
/** NumPy's readers stop at 10,000 characters unless told otherwise; a dict of numbers has 100. */
const maxHeaderBytes = 1 << 16;
/** NumPy's most. */
const maxDimensions = 64;

const isNpy = (head: Uint8Array): boolean =>
  Buffer.from(head.buffer, head.byteOffset, head.byteLength).subarray(0, magic.length).toString('latin1') === magic;

/**
 * Reads and checks the header of an array that takes up all of `source`.
 * @throws ERR_FORMAT, saying what is wrong; ERR_DTYPE for elements that are no numbers, Python objects among them
 */
export async function readNpyHeader(source: ByteSource): Promise<NpyHeader> {
  const bad = (problem: string) => new IsotorchError('ERR_FORMAT', `${source.name}: not a sound .npy file: ${problem}`);
  const start = viewOf(await source.read(0, Math.min(12, source.size)));
  if (!isNpy(start)) throw bad('it does not begin with the letters NUMPY');
  const major = start[6];
  if (major === undefined || major < 1 || major > 3) throw bad(`its version is ${major}; known are 1, 2 and 3`);
  const prefix = major === 1 ? 10 : 12;
  if (start.length < prefix) throw bad('it ends within its header; it may be cut off');
  const length = major === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  if (length > maxHeaderBytes) throw bad(`a header of ${length} bytes; at most ${maxHeaderBytes} are read`);
  if (prefix + length > source.size) throw bad('it ends within its header; it may be cut off');
  const text = viewOf(await source.read(prefix, length)).toString(major === 3 ? 'utf8' : 'latin1');

  const { descr, fortran, shape } = parseDict(text, bad);
  const { dtype, swapped } = elementType(descr, source.name);
  const offset = prefix + length;
  // Of an empty array too: its other sizes may not overflow.
  const extent = shape.reduce((product, size) => product * Math.max(size, 1), itemSize(dtype));
  if (shape.length > maxDimensions || !Number.isSafeInteger(extent))
    throw bad(`its shape (${shape.slice(0, 8).join(', ')} …) is too large`);
  const nbytes = shape.includes(0) ? 0 : extent;
  const left = source.size - offset;
  if (nbytes !== left)
    throw bad(
      `${dtype} [${shape.join(', ')}] takes ${nbytes} bytes but ${left} follow the header` +
        (nbytes > left ? '; it may be cut off' : ''),
    );
  return { dtype, swapped, fortran, shape, offset, nbytes };
}

/** The bytes in front of a row-major, little-endian array, as NumPy writes them. @throws ERR_DTYPE if NumPy has no such dtype */
export function writeNpyHeader(dtype: string, shape: readonly number[]): Buffer {
  const code = codes.get(dtype);
  if (code === undefined)
    throw new IsotorchError(
      'ERR_DTYPE',
      `NumPy has no ${dtype}, so a .npy file can’t hold it: convert it with .to('float32'), or write safetensors`,
    );
  const order = code.endsWith('1') ? '|' : '<';
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dict = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${sizes}), }`;
  // NumPy leaves room for a first dimension of 21 digits, so that an array can grow in its file.
  const room = shape.length === 0 ? 0 : 21 - String(shape[0]).length;
  const unpadded = 10 + dict.length + room + 1;
  const total = Math.ceil(unpadded / 64) * 64;
  const header = Buffer.alloc(total, ' ');
  header.write(magic, 'latin1');
  header[6] = 1;
  header[7] = 0;
  header.writeUInt16LE(total - 10, 8);
  header.write(dict, 10, 'latin1');
  header.write('\n', total - 1);
  return header;
}

function elementType(descr: string, name: string): { dtype: SavedDType; swapped: boolean } {
  const [order, code] = [descr.slice(0, 1), descr.slice(1)];
  const dtype = Object.hasOwn(numpyDTypes, code) ? numpyDTypes[code] : undefined;
  if (dtype !== undefined && /[<>|=]/.test(order)) return { dtype, swapped: order === '>' && itemSize(dtype) > 1 };
  const what = code.startsWith('O')
    ? 'Python objects, a pickle that could run programs. Save an array of numbers: array.astype("float32")'
    : `elements of NumPy’s type ${JSON.stringify(descr.slice(0, 40))}; known are ${Object.keys(numpyDTypes).join(', ')}`;
  throw new IsotorchError('ERR_DTYPE', `${name} holds ${what}`);
}

interface Dict {
  descr: string;
  fortran: boolean;
  shape: number[];
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: these keys in any order, each once, and white space. */
function parseDict(text: string, bad: (problem: string) => IsotorchError): Dict {
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at = pattern.lastIndex;
    return match;
  };
  const want = (pattern: RegExp, what: string): RegExpExecArray => {
    const match = take(pattern);
    if (match) return match;
    throw bad(`its header, character ${at}: expected ${what} but found ${JSON.stringify(text.slice(at, at + 20))}`);
  };
  const found: Partial<Dict> = {};
  want(/\s*\{\s*/y, '{');
  while (!take(/\}\s*$/y)) {
    const key = want(/(['"])(descr|fortran_order|shape)\1\s*:\s*/y, 'one of the keys descr, fortran_order, shape')[2];
    const field = key === 'fortran_order' ? 'fortran' : (key as 'descr' | 'shape');
    if (field in found) throw bad(`its header has ${key} twice`);
    if (field === 'descr') {
      const [, single, double] = want(/'([^'\\]*)'|"([^"\\]*)"/y, 'an element type, and not a structure of several,');
      found.descr = (single ?? double) as string;
    } else if (field === 'fortran') {
      found.fortran = want(/True|False/y, 'True or False')[0] === 'True';
    } else {
      // Empty, or with a comma at least: (3) is no tuple. Sizes end in L where Python 2 wrote them.
      const tuple = want(/\(\s*((?:\d{1,16}L?\s*,\s*)+(?:\d{1,16}L?\s*)?)?\)/y, 'a tuple of sizes')[1] ?? '';
      found.shape = Array.from(tuple.matchAll(/\d+/g), Number);
    }
    want(/\s*,\s*|\s*(?=\})/y, ', or }');
  }
  const { descr, fortran, shape } = found;
  if (descr === undefined || fortran === undefined || shape === undefined)
    throw bad('its header lacks one of descr, fortran_order and shape');
  return { descr, fortran, shape };
}

const viewOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
