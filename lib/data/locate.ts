// From a set's name to its arrays: looks through the places, verifies what it finds, fetches what is nowhere, and says
// everything it tried when nothing helped.
import { types } from 'node:util';
import { expected, IsotorchError } from '../errors.js';
import type { ImageSource, Split } from '../known/dataSets.js';
import { acquire } from './acquire.js';
import { parseIdx } from './idx.js';
import type { LocateOptions } from './loadSource.js';
import { cacheFolder, type FoundFiles, filesIn, type Place, placesOf } from './places.js';
import { readVerified } from './verify.js';

/** A split's pixels, row-major, and labels, as they lie in its files. */
export interface SplitArrays {
  readonly pixels: Uint8Array;
  readonly labels: Uint8Array;
  /** [N, height, width]. */
  readonly shape: readonly [number, number, number];
  /** Where they were found. */
  readonly folder: string;
}

/**
 * Reads one split of a set.
 * @throws ERR_FORMAT for a file in `root` that is not the set's; ERR_DATA, with all places and ways tried and what to
 *   do, when the set is not here and can't be had
 */
export async function readSplit(
  source: ImageSource,
  split: Split,
  { root, download = true, log = () => {} }: LocateOptions = {},
): Promise<SplitArrays> {
  if (root !== undefined && typeof root !== 'string') throw expected('a path', 'root', root);
  const tried: string[] = [];
  for (const place of placesOf(source, root)) {
    const found = await filesIn(place.folder, source, split);
    if (!found) {
      tried.push(`${place.folder} (${describePlace(place)}): not there`);
      continue;
    }
    try {
      return await readFiles(source, split, found, place.folder);
    } catch (error) {
      if (place.why === 'root' || !(error instanceof IsotorchError)) throw error;
      log(`passing over ${source.title} in ${place.folder}: ${error.message}`);
      tried.push(`${place.folder} (${describePlace(place)}): ${error.message}`);
    }
  }
  if (!download) {
    tried.push('fetching: not asked for (download: false)');
  } else {
    try {
      await acquire(source, split, log);
    } catch (error) {
      tried.push(...(types.isNativeError(error) ? error.message : String(error)).split('\n'));
      throw notFound(source, split, tried, error);
    }
    const folder = cacheFolder(source);
    const found = await filesIn(folder, source, split);
    if (found) return readFiles(source, split, found, folder);
    tried.push(`${folder}: the files were fetched and are gone again`);
  }
  throw notFound(source, split, tried);
}

/** The folder of the first place that has a split, told by its labels (the images are too large to read for this). */
export async function findSplit(source: ImageSource, split: Split, root?: string): Promise<string | undefined> {
  for (const { folder } of placesOf(source, root)) {
    const found = await filesIn(folder, source, split);
    if (!found) continue;
    const right = await readVerified(found.labels, source.files[split].labels).then(
      () => true,
      () => false,
    );
    if (right) return folder;
  }
  return undefined;
}

async function readFiles(source: ImageSource, split: Split, found: FoundFiles, folder: string): Promise<SplitArrays> {
  const { images, labels } = source.files[split];
  const labelArray = parseIdx(await readVerified(found.labels, labels), found.labels);
  const imageArray = parseIdx(await readVerified(found.images, images), found.images);
  const [n, height, width] = imageArray.shape;
  const { data: pixels } = imageArray;
  if (!types.isUint8Array(pixels) || imageArray.shape.length !== 3) {
    throw notImages(found.images, `${imageArray.dtype} [${imageArray.shape.join(', ')}]`);
  }
  if (!types.isUint8Array(labelArray.data) || labelArray.shape.length !== 1 || labelArray.shape[0] !== n) {
    throw notImages(found.labels, `${labelArray.dtype} [${labelArray.shape.join(', ')}] for ${n} images`);
  }
  return { pixels, labels: labelArray.data, shape: [n!, height!, width!], folder };
}

const notImages = (path: string, received: string): IsotorchError =>
  new IsotorchError(
    'ERR_FORMAT',
    `${path}: expected uint8 images [N, height, width] and labels [N], received ${received}`,
  );

const describePlace = ({ why }: Place): string =>
  ({ root: 'the root given', ISOTORCH_DATA: 'ISOTORCH_DATA', cache: 'our cache', system: "Debian's folder" })[why];

function notFound(source: ImageSource, split: Split, tried: readonly string[], cause?: unknown): IsotorchError {
  const { images, labels } = source.files[split];
  return new IsotorchError(
    'ERR_DATA',
    [
      `${source.title} (${split}) is not on this machine and could not be fetched. Tried:`,
      ...tried.map((line) => `  - ${line}`),
      `Put ${images.name}.gz and ${labels.name}.gz from ${source.homepage} into ${cacheFolder(source)},`,
      `or into a folder ${source.name}/ below one that ISOTORCH_DATA or the option \`root\` names.`,
    ].join('\n'),
    { cause },
  );
}
