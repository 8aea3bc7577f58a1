// Sets of unknown images by name, each made to fit the known images: same channels, size and device. Named data sets give
// their test split; noise and shuffled images come in the number of the known ones.

import * as data from '../data/index.js';
import { expected, IsotorchError } from '../errors.js';
import { type DataSetEntry, dataSetNames, dataSets } from '../known/dataSets.js';
import { type UnknownName, unknownNames } from '../known/unknownSets.js';
import { type Tensor, tidy, torch } from '../tensor/index.js';

export interface UnknownOptions {
  /** The known test images. */
  readonly like: data.ImageDataset<Tensor>;
  /** Which data set they are of. */
  readonly known: data.DatasetName;
  /** Test images of the classes that the network was not trained on. */
  readonly heldOut?: data.ImageDataset<Tensor> | undefined;
  /** Fetch what is not on this machine. @default true */
  readonly download?: boolean;
  /** Is told what is fetched. */
  readonly log?: ((message: string) => void) | undefined;
}

/**
 * One set of unknown images.
 * @throws ERR_ARGUMENT for an unknown name, for the known data set itself, and for `held-out` when no classes are;
 *   ERR_DATA when the set is not here and can't be fetched
 */
export async function unknownSet(name: UnknownName, options: UnknownOptions): Promise<data.ImageDataset> {
  const { like, known, heldOut } = options;
  switch (name) {
    case 'held-out':
      if (heldOut) return data.asLike(heldOut, like);
      throw new IsotorchError('ERR_ARGUMENT', 'No classes were held out of this training, so there is no set held-out');
    case 'uniform-noise':
      return data.uniformNoise(like.size, { like });
    case 'gaussian-noise':
      return data.gaussianNoise(like.size, { like });
    case 'pixel-shuffled':
      return data.pixelShuffled(like);
    default:
      if (!dataSetNames.includes(name)) throw expected(`one of ${unknownNames.join(', ')}`, 'ood', name);
      if (name === known)
        throw new IsotorchError('ERR_ARGUMENT', `${name} is the known data set, so it cannot stand for the unknown`);
      return fitted(name, options);
  }
}

/** The sets that can be had without fetching anything, in a fixed order. */
export async function setsAtHand(known: data.DatasetName, hasHeldOut: boolean): Promise<UnknownName[]> {
  const { shows }: DataSetEntry = dataSets[known];
  const alike = (name: data.DatasetName): boolean =>
    shows !== undefined && (dataSets[name] as DataSetEntry).shows === shows;
  const here = (await data.available()).filter(({ name, test }) => test !== null && name !== known && !alike(name));
  const made = ['uniform-noise', 'gaussian-noise', 'pixel-shuffled'] as const;
  return [...here.map(({ name }) => name), ...(hasHeldOut ? (['held-out'] as const) : []), ...made];
}

async function fitted(name: data.DatasetName, { like, download = true, log }: UnknownOptions) {
  const source = { download, ...(log && { log }) };
  const set = name === 'digits' ? await allDigits() : await data.load(name, { split: 'test', ...source });
  try {
    return data.asLike(set, like);
  } finally {
    set.dispose();
  }
}

/** Both splits of the optical digits: none of them was trained on, and there are few. */
async function allDigits(): Promise<data.ImageDataset> {
  const { train, test } = await data.digits();
  const images = tidy(() => torch.cat([train.images, test.images], 0));
  train.dispose();
  test.dispose();
  return new data.ImageDataset({ images, labels: null, name: 'digits' });
}
