// Decodes PNG files (W3C, "Portable Network Graphics Specification", third edition): every colour type, bit depth and filter,
// interlaced or not. Files may be damaged or hostile: each chunk's checksum is verified, and no more is unpacked than the
// header's size takes, which zlib, off the event loop, does in native code. Alpha is dropped and the colours stay as they are,
// as PIL's `convert('RGB')` does; of 16 bits the upper 8 are kept.

import { promisify } from 'node:util';
import { crc32, inflate } from 'node:zlib';
import { inTurns, stepsPerTurn } from '../checkpoint/turns.js';
import { IsotorchError } from '../errors.js';
import { readFileBytes } from './idx.js';

export interface Picture {
  /** 1 for grey, 3 for red, green and blue. */
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** [channels, height, width], row-major. */
  readonly pixels: Uint8Array;
}

interface Header {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample. */
  readonly depth: number;
  readonly colour: number;
  /** Of a pixel, as they are stored: a palette has one. */
  readonly samples: number;
  readonly interlaced: boolean;
}

/** One of the images that a file is stored as: every `dx`-th column from `x`, every `dy`-th row from `y`. */
interface Pass {
  readonly x: number;
  readonly y: number;
  readonly dx: number;
  readonly dy: number;
  readonly width: number;
  readonly height: number;
  readonly rowBytes: number;
}

const signature = Buffer.from('89504e470d0a1a0a', 'hex');
/** By colour type: samples a pixel, and the depths that the specification has. */
const colours: Readonly<Record<number, { samples: number; depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};
const palette = 3;
/** x, y, dx, dy */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
/** Far above any picture for a classifier, far below what would be a danger. */
const maxBytes = 1 << 28;
/** A few milliseconds of checksums. */
const bytesPerTurn = 1 << 23;

const unpack = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate);

export const isPng = (bytes: Uint8Array): boolean => signature.equals(bytes.subarray(0, signature.length));

/**
 * @param name what messages call the file
 * @throws ERR_FORMAT, saying what is wrong with it
 * @example const { channels, height, width, pixels } = await decodePng(await readFile('cat.png'), 'cat.png');
 */
export async function decodePng(bytes: Uint8Array, name: string): Promise<Picture> {
  const bad = (problem: string, cause?: unknown) =>
    new IsotorchError('ERR_FORMAT', `${name}: not a sound PNG file: ${problem}`, { cause });
  const { header, colourTable, data } = await inTurns(readChunks(bytes, bad));
  const passes = passesOf(header);
  const size = passes.reduce((sum, { height, rowBytes }) => sum + height * (1 + rowBytes), 0);
  let raw: Buffer;
  try {
    raw = await unpack(data, { maxOutputLength: size });
  } catch (cause) {
    const more = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw bad(more ? 'it holds more than its pixels' : 'its pixels can’t be unpacked; it is damaged or cut off', cause);
  }
  if (raw.length !== size) throw bad(`expected ${size} bytes of pixels, received ${raw.length}; it is cut off`);
  const channels = header.colour === 0 || header.colour === 4 ? 1 : 3;
  const pixels = new Uint8Array(channels * header.height * header.width);
  let at = 0;
  for (const pass of passes) {
    await inTurns(undoFilters(raw, at, pass, Math.max(1, (header.samples * header.depth) >> 3), bad));
    await inTurns(place(raw, at, pass, header, colourTable, pixels, bad));
    at += pass.height * (1 + pass.rowBytes);
  }
  return { channels, height: header.height, width: header.width, pixels };
}

/**
 * One picture from a file.
 * @throws ERR_FILE when it can't be read; ERR_FORMAT as `decodePng`
 * @example const { channels, height, width, pixels } = await readPng('cat.png');
 */
export const readPng = async (path: string): Promise<Picture> => decodePng(await readFileBytes(path), path);

type Bad = (problem: string) => IsotorchError;

interface Chunks {
  header: Header;
  colourTable: Uint8Array;
  data: Buffer;
}

function* readChunks(bytes: Uint8Array, bad: Bad): Generator<void, Chunks> {
  if (!isPng(bytes)) throw bad('it does not begin as one');
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | undefined;
  let colourTable: Uint8Array = new Uint8Array(0);
  const data: Buffer[] = [];
  for (let at = signature.length, count = 1; ; count++) {
    if (count % stepsPerTurn === 0) yield;
    if (at + 12 > file.length) throw bad('it ends without an end; it is cut off');
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const end = at + 8 + length;
    if (end + 4 > file.length) throw bad(`a chunk of ${length} bytes reaches beyond the end; it is cut off`);
    let checksum = 0;
    for (let from = at + 4; from < end; from += bytesPerTurn) {
      checksum = crc32(file.subarray(from, Math.min(from + bytesPerTurn, end)), checksum);
      if (from + bytesPerTurn < end) yield;
    }
    if (checksum !== file.readUInt32BE(end)) throw bad(`the checksum at byte ${end} is wrong; the file is damaged`);
    const content = file.subarray(at + 8, end);
    at = end + 4;
    if ((type === 'IHDR') !== (header === undefined)) throw bad('its header is not its first chunk');
    if (type === 'IHDR') header = parseHeader(content, bad);
    else if (type === 'PLTE') colourTable = content;
    else if (type === 'IDAT') data.push(content);
    else if (type === 'IEND') break;
    // A capital at the start: whoever does not know this chunk can't show the picture.
    else if (/^[A-Z]/.test(type)) throw bad(`a chunk of unknown type ${JSON.stringify(type)}`);
  }
  if (
    colourTable.length % 3 !== 0 ||
    colourTable.length > 3 * 256 ||
    (header?.colour === palette && colourTable.length === 0)
  )
    throw bad(`a palette of ${colourTable.length} bytes`);
  return { header: header as Header, colourTable, data: Buffer.concat(data) };
}

function parseHeader(content: Buffer, bad: Bad): Header {
  if (content.length !== 13) throw bad(`a header of ${content.length} bytes`);
  const [width, height] = [content.readUInt32BE(0), content.readUInt32BE(4)];
  const [depth, colour, compression, filter, interlace] = content.subarray(8) as unknown as [
    number,
    number,
    number,
    number,
    number,
  ];
  const kind = colours[colour];
  if (!kind?.depths.includes(depth)) throw bad(`colour type ${colour} with ${depth} bits`);
  if (compression !== 0 || filter !== 0 || interlace > 1)
    throw bad('a compression, filter or interlacing that is unknown');
  if (width === 0 || height === 0 || width * height * kind.samples * Math.max(8, depth) > 8 * maxBytes)
    throw bad(`a size of ${width} × ${height}, of which at most ${maxBytes >> 20} MiB of pixels are read`);
  return { width, height, depth, colour, samples: kind.samples, interlaced: interlace === 1 };
}

/** Those that have pixels. */
function passesOf({ width, height, depth, samples, interlaced }: Header): Pass[] {
  return (interlaced ? adam7 : [[0, 0, 1, 1] as const]).flatMap(([x, y, dx, dy]) => {
    const [columns, rows] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
    if (columns <= 0 || rows <= 0) return [];
    return [{ x, y, dx, dy, width: columns, height: rows, rowBytes: Math.ceil((columns * samples * depth) / 8) }];
  });
}

/** Each row has its filter in front: what was subtracted is added again, from the left, from above, or from both. */
function* undoFilters(
  raw: Buffer,
  start: number,
  { height, rowBytes }: Pass,
  step: number,
  bad: Bad,
): Generator<void, void> {
  for (let row = 0; row < height; row++) {
    yield;
    const at = start + row * (1 + rowBytes) + 1;
    const filter = raw[at - 1] as number;
    if (filter > 4) throw bad(`a row with the unknown filter ${filter}`);
    if (filter === 0) continue;
    const above = row === 0 ? undefined : at - 1 - rowBytes;
    for (let i = 0; i < rowBytes; i++) {
      const left = i < step ? 0 : (raw[at + i - step] as number);
      const up = above === undefined ? 0 : (raw[above + i] as number);
      const corner = above === undefined || i < step ? 0 : (raw[above + i - step] as number);
      const added = filter === 1 ? left : filter === 2 ? up : filter === 3 ? (left + up) >> 1 : paeth(left, up, corner);
      raw[at + i] = (raw[at + i] as number) + added;
    }
  }
}

/** Of the three neighbours the one nearest to left + up − corner. */
function paeth(left: number, up: number, corner: number): number {
  const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Samples of a pass as bytes, where they belong in the picture. */
function* place(
  raw: Buffer,
  start: number,
  { x, y, dx, dy, width, height, rowBytes }: Pass,
  header: Header,
  colourTable: Uint8Array,
  pixels: Uint8Array,
  bad: Bad,
): Generator<void, void> {
  const { depth, samples, colour } = header;
  const plane = header.width * header.height;
  const channels = pixels.length / plane;
  const most = 2 ** depth - 1;
  for (let row = 0; row < height; row++) {
    yield;
    const from = start + row * (1 + rowBytes) + 1;
    for (let column = 0; column < width; column++) {
      const to = (y + row * dy) * header.width + x + column * dx;
      if (depth >= 8 && colour !== palette) {
        // Of 16 bits the upper byte comes first.
        const first = from + column * samples * (depth >> 3);
        for (let c = 0; c < channels; c++) pixels[c * plane + to] = raw[first + c * (depth >> 3)] as number;
        continue;
      }
      const bit = column * depth;
      const value = ((raw[from + (bit >> 3)] as number) >> (8 - depth - (bit & 7))) & most;
      if (colour !== palette) {
        pixels[to] = (value * 255) / most;
        continue;
      }
      if (3 * value >= colourTable.length) throw bad(`colour ${value} of a palette of ${colourTable.length / 3}`);
      for (let c = 0; c < 3; c++) pixels[c * plane + to] = colourTable[3 * value + c] as number;
    }
  }
}
