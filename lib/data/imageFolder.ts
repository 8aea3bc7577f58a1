// A data set from a folder of PNG files, or from one of folders that are classes (torchvision's ImageFolder), on the disk or in
// a tar archive that stays as it is. Decoded once, a few at a time, and then resident like any other set.
import { readdir, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { inLanes } from '../checkpoint/lanes.js';
import { fileError, openSource } from '../checkpoint/source.js';
import { readTar } from '../checkpoint/tar/reader.js';
import { expected, IsotorchError } from '../errors.js';
import type { Device } from '../tensor/index.js';
import { isGzip, readFileBytes } from './idx.js';
import { ImageDataset } from './imageDataset.js';
import { decodePng, type Picture } from './png.js';
import type { Statistics } from './statistics.js';

export interface ImageFolderOptions {
  /** 3 makes grey pictures red, green and blue alike; 1 makes coloured ones grey, as `asLike` does. @default those of the first picture */
  channels?: 1 | 3;
  /** Height and width that all pictures must have. @default those of the first picture */
  size?: readonly [height: number, width: number];
  /** Whether folders are classes. @default true where there is more than one */
  labels?: boolean;
  /** Names of the folders that are classes, in the order of their labels. @default all, sorted */
  classes?: readonly string[];
  /** @default the folder's or the archive's name */
  name?: string;
  statistics?: Statistics;
  /** @default 'cpu' */
  device?: Device;
  /** Is told now and then how many pictures are decoded. */
  onProgress?: (progress: { done: number; total: number }) => void;
  /** Ends the work before the next picture. */
  signal?: AbortSignal;
}

/** A picture's file: its folder and name below the root, and how to have its bytes. */
interface Found {
  /** Names of folders, from the outside in. */
  readonly folders: readonly string[];
  readonly name: string;
  /** For messages. */
  readonly path: string;
  read(): Promise<Uint8Array>;
}

const maxDepth = 32;
const maxPictures = 10_000_000;
/** Of other formats: to pass them over would make another data set of this. */
const foreign = /\.(jpe?g|bmp|gif|webp|tiff?|ppm|pgm)$/i;

/**
 * PNG files as a data set, in the order of their paths, as torchvision's `ImageFolder` has them: the folders at the top are
 * classes, sorted, and all pictures below one belong to it. Folders with nothing beside them are stepped into, so that an
 * archive may have its files in one; pictures that lie together in one folder have no labels.
 *
 * Hidden files and files of other kinds are left alone; pictures of other formats are not.
 *
 * @param path a folder, or a tar archive (not compressed)
 * @throws ERR_FILE; ERR_FORMAT for a picture that is damaged and for a damaged archive, naming it; ERR_SHAPE for a picture of
 *   another size or, in a set of grey ones, a coloured one; ERR_DATA where there are no pictures, pictures of other formats,
 *   pictures beside folders of pictures, or a folder that is none of `classes`; ERR_ABORTED
 * @example
 * const unknown = await data.imageFolder('tiny-imagenet-32.tar');          // no labels
 * const pets = await data.imageFolder('pets', { size: [64, 64] });         // pets/cat/1.png, pets/dog/1.png …
 */
export async function imageFolder(path: string, options: ImageFolderOptions = {}): Promise<ImageDataset> {
  checkOptions(path, options);
  const name = options.name ?? basename(path, extname(path) === '.tar' ? '.tar' : '');
  await using root = await openRoot(path);
  const found = withoutWrapping(sorted(root.found), path);
  const { classes, labels } = classesOf(found, path, options);
  const { pixels, shape } = await decodeAll(found, options);
  const { statistics, device } = options;
  return ImageDataset.fromArrays({
    images: pixels,
    shape,
    labels,
    name,
    ...(classes && { classes }),
    ...(statistics && { statistics }),
    ...(device && { device }),
  });
}

function checkOptions(path: unknown, { channels, size, labels }: ImageFolderOptions): void {
  if (typeof path !== 'string' || path === '') throw expected('a path', 'path', path);
  if (channels !== undefined && channels !== 1 && channels !== 3) throw expected('1 or 3', 'channels', channels);
  if (size !== undefined && !(Array.isArray(size) && size.length === 2 && size.every(Number.isSafeInteger)))
    throw expected('[height, width]', 'size', size);
  if (labels !== undefined && typeof labels !== 'boolean') throw expected('a boolean', 'labels', labels);
}

async function openRoot(path: string): Promise<{ found: Found[] } & AsyncDisposable> {
  const isFolder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false, // openSource() says what is wrong
  );
  if (isFolder) {
    const found: Found[] = [];
    await walk(path, [], found);
    return { found, async [Symbol.asyncDispose]() {} };
  }
  const source = await openSource(path);
  try {
    if (isGzip(await source.read(0, Math.min(2, source.size))))
      throw new IsotorchError('ERR_FORMAT', `Expected a tar archive but ${path} is compressed: unpack it with gunzip`);
    const members = await readTar(source, maxPictures);
    const found = [...members].map(([member, { offset, size }]) => {
      const parts = member.split('/').filter((part) => part !== '' && part !== '.');
      const read = () => source.readRange(offset, size);
      return { folders: parts.slice(0, -1), name: parts.at(-1) ?? '', path: `${path}: ${member}`, read };
    });
    return { found: found.filter(isPicture), [Symbol.asyncDispose]: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function walk(path: string, folders: readonly string[], found: Found[]): Promise<void> {
  if (folders.length > maxDepth)
    throw new IsotorchError(
      'ERR_DATA',
      `${path}: expected at most ${maxDepth} folders inside each other; a link may lead back`,
    );
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const inner = join(path, entry.name);
      // A link counts as what it leads to.
      const kind = entry.isSymbolicLink() ? await stat(inner) : entry;
      if (kind.isDirectory() && !entry.name.startsWith('.')) await walk(inner, [...folders, entry.name], found);
      const file = { folders, name: entry.name, path: inner, read: () => readFileBytes(inner) };
      if (kind.isFile() && isPicture(file)) found.push(file);
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** @throws ERR_DATA for one of another format */
function isPicture({ folders, name, path }: Found): boolean {
  if ([...folders, name].some((part) => part.startsWith('.'))) return false;
  if (foreign.test(name))
    throw new IsotorchError(
      'ERR_DATA',
      `Expected PNG files but found ${path}: convert the pictures, without loss, to PNG`,
    );
  return /\.png$/i.test(name);
}

/** By folder, then by name. */
function sorted(found: readonly Found[]): Found[] {
  const keyed = found.map((file) => ({ file, key: [...file.folders, ''].join('/') }));
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return keyed.sort((a, b) => order(a.key, b.key) || order(a.file.name, b.file.name)).map(({ file }) => file);
}

/** Without the outer folders that all share. */
function withoutWrapping(found: Found[], path: string): Found[] {
  if (found.length === 0) throw new IsotorchError('ERR_DATA', `Expected PNG files in ${path} but found none`);
  let depth = 0;
  const first = found[0] as Found;
  while (depth < first.folders.length && found.every(({ folders }) => folders[depth] === first.folders[depth])) depth++;
  return found.map((file) => ({ ...file, folders: file.folders.slice(depth) }));
}

function classesOf(
  found: readonly Found[],
  path: string,
  { labels: wanted, classes: given }: ImageFolderOptions,
): { classes?: readonly string[]; labels: Int32Array | null } {
  const loose = found.find(({ folders }) => folders.length === 0);
  const inside = found.find(({ folders }) => folders.length > 0);
  if (wanted === false || (!inside && !wanted && given === undefined)) return { labels: null };
  if (!inside || loose)
    throw new IsotorchError(
      'ERR_DATA',
      `${path}: expected pictures in folders that are classes, ${inside ? `found ${loose?.path} beside them` : 'found one folder'}. ` +
        'With labels: false they are pictures without classes',
    );
  const classes = given ?? [...new Set(found.map(({ folders }) => folders[0] as string))].sort();
  const index = new Map(classes.map((name, i) => [name, i]));
  const labels = Int32Array.from(found, ({ folders, path: file }) => {
    const label = index.get(folders[0] as string);
    if (label !== undefined) return label;
    throw new IsotorchError('ERR_DATA', `${file}: expected a folder that is one of ${classes.slice(0, 20).join(', ')}`);
  });
  return { classes, labels };
}

async function decodeAll(
  found: readonly Found[],
  { channels, size, onProgress, signal }: ImageFolderOptions,
): Promise<{ pixels: Uint8Array; shape: [number, number, number, number] }> {
  const decode = async ({ read, path }: Found) => await decodePng(await read(), path);
  const first = await decode(found[0] as Found);
  const [height, width] = size ?? [first.height, first.width];
  const depth = channels ?? first.channels;
  const each = depth * height * width;
  const total = found.length;
  const pixels = allocate(total * each);
  let done = 0;
  const jobs = found.map((file, i) => async () => {
    if (signal?.aborted)
      throw new IsotorchError('ERR_ABORTED', `Reading pictures was aborted after ${done} of ${total}`, {
        cause: signal.reason,
      });
    const picture = i === 0 ? first : await decode(file);
    if (picture.height !== height || picture.width !== width)
      throw new IsotorchError(
        'ERR_SHAPE',
        `${file.path}: expected a picture of ${height} × ${width} ${size ? 'as asked for' : 'as the first one'} (height × width), ` +
          `received ${picture.height} × ${picture.width}. Bring them to one size before`,
      );
    put(picture, depth, pixels.subarray(i * each, (i + 1) * each), file.path, channels !== undefined);
    done++;
    if (done % 256 === 0 || done === total) onProgress?.({ done, total });
  });
  await inLanes(jobs, 8);
  return { pixels, shape: [total, depth, height, width] };
}

function allocate(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new IsotorchError('ERR_OUT_OF_MEMORY', `There is no memory for ${bytes} bytes of pixels`, { cause });
  }
}

function put({ channels, pixels }: Picture, wanted: number, to: Uint8Array, path: string, asked: boolean): void {
  const plane = to.length / wanted;
  if (channels === wanted || channels === 1) {
    for (let at = 0; at < to.length; at += pixels.length) to.set(pixels, at);
    return;
  }
  if (!asked)
    throw new IsotorchError(
      'ERR_SHAPE',
      `${path}: expected a grey picture as the first one, received a coloured one. Say which all are to be: channels: 3 or 1`,
    );
  for (let i = 0; i < plane; i++) {
    const [red, green, blue] = [pixels[i], pixels[plane + i], pixels[2 * plane + i]] as [number, number, number];
    to[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  }
}
