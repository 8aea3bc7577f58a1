// One image file to pixels. PNG of every colour type and depth; alpha is left out, as torchvision's RGB mode does, and 16 bits
// become 8 by their upper byte.
import { convertIndexedToRgb, type DecodedPng, decode } from 'fast-png';
import { IsotorchError } from '../errors.js';
import type { ImageShape } from './arguments.js';
import { readFileBytes } from './idx.js';

export interface DecodedImage {
  /** [channels, height, width], row-major; 1 channel for grey, 3 for colour. */
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** What an image may have of pixels: a file of a few kB can promise gigabytes. */
const MOST_PIXELS = 1 << 27;

/**
 * @throws ERR_FILE when it can't be read; ERR_FORMAT when it is no PNG, is damaged, or has more than 2^27 pixels
 * @example const { pixels, shape } = await decodeImage('photo.png');
 */
export async function decodeImage(path: string): Promise<DecodedImage> {
  const bytes = await readFileBytes(path);
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte))
    throw new IsotorchError('ERR_FORMAT', `${path}: expected a PNG image; convert other formats to PNG first`);
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33 || header.getUint32(16) * header.getUint32(20) > MOST_PIXELS)
    throw new IsotorchError('ERR_FORMAT', `${path}: expected a whole PNG image of at most 2^27 pixels`);
  try {
    return planar(decode(bytes, { checkCrc: true }));
  } catch (error) {
    throw new IsotorchError('ERR_FORMAT', `${path}: expected a whole PNG image: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** From interleaved pixels of any kind to planes of bytes. */
function planar(png: DecodedPng): DecodedImage {
  const { width, height } = png;
  const { data, channels } = samples(png);
  const colours = channels < 3 ? 1 : 3;
  const size = width * height;
  if (data.length < size * channels) throw new Error('it has too few pixels');
  const pixels = new Uint8Array(colours * size);
  for (let colour = 0; colour < colours; colour++)
    for (let i = 0; i < size; i++) pixels[colour * size + i] = data[i * channels + colour]!;
  return { pixels, shape: [colours, height, width] };
}

function samples(png: DecodedPng): { data: ArrayLike<number>; channels: number } {
  const { data, depth, channels, width, height, palette } = png;
  if (palette) return { data: convertIndexedToRgb(png), channels: palette[0]?.length ?? 3 };
  if (depth === 16) return { data: Uint8Array.from(data, (value) => value >> 8), channels };
  if (depth === 8) return { data, channels };
  // Grey of 1, 2 or 4 bits: several in a byte, each row in bytes of its own.
  const rowBytes = Math.ceil((width * depth) / 8);
  const most = (1 << depth) - 1;
  const grey = Uint8Array.from({ length: width * height }, (_, i) => {
    const bit = (i % width) * depth;
    const byte = data[Math.floor(i / width) * rowBytes + (bit >> 3)]!;
    return (((byte >> (8 - depth - (bit & 7))) & most) * 255) / most;
  });
  return { data: grey, channels: 1 };
}
