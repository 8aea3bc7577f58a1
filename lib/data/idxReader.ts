// From a set's IDX files to a data set on a device. What finds and verifies the files is in locate.ts, which needs no LibTorch.
import type { ImageSource } from '../known/dataSets.js';
import { tidy, torch } from '../tensor/index.js';
import { ImageDataset } from './imageDataset.js';
import type { Reader } from './loadSource.js';
import { findSplit, readSplit } from './locate.js';

/** Reads the sets in MNIST's format. */
export const idxReader: Reader<ImageSource> = {
  find: findSplit,
  async read(source, split, { device = 'cpu', ...where }) {
    const { pixels, labels, shape } = await readSplit(source, split, where);
    const [n, height, width] = shape;
    const tensors = tidy(() => ({
      images: torch.fromBuffer(pixels, { dtype: 'uint8', shape: [n, 1, height, width], device }),
      labels: torch.fromBuffer(labels, { dtype: 'uint8', shape: [n], device }).to('int64'),
    }));
    const { classes, name, statistics } = source;
    return new ImageDataset({ ...tensors, classes, name, ...(statistics && { statistics }) });
  },
};
