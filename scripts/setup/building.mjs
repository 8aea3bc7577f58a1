// What every native build has in common, set-up's and a bundle's: its products, how many compilers run at once, and how
// the tools' lines are shown.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const library = process.platform === 'win32' ? 'dll' : process.platform === 'darwin' ? 'dylib' : 'so';
const memoryPerCompiler = 1.5e9; // bytes: LibTorch's headers are large

/** The files without which there is no addon, in `release`. */
export const productsIn = (release) =>
  ['isotorch.node', `libisotorch.${library}`, `libisomax.${library}`].map((name) => join(release, name));

/** Made where LibTorch has CUDA and its headers (and for the second one nvcc) are there; CMake says what it leaves out. */
export const cudaProductsIn = (release) =>
  ['libisotorch_cuda.so', 'libisomax_cuda.so'].map((name) => join(release, name));

/** How many compilers may run at once: as told, else by cores and free memory. */
export function jobs(told = process.env.ISOTORCH_JOBS) {
  if (Number(told) >= 1) return Math.floor(Number(told));
  const memory = process.availableMemory?.() ?? process.constrainedMemory?.() ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / memoryPerCompiler)));
}

/** For `Step.run`: ninja's "[3/14] …", make's "[ 21%] …", compilers' errors; no chatter of cmake-js and CMake. */
export const nativeLine = (root) => (line) => {
  const [, progress, rest] = /^\[([ \d]+(?:\/\d+|%))\] (.*)$/.exec(line) ?? [];
  if (progress === undefined) return /error/i.test(line) ? line : undefined;
  const product = /(\S+)$/
    .exec(rest)?.[1]
    .replace(/^CMakeFiles\/\w+\.dir\//, '')
    .replace(/\.(o|gch)$/, '');
  return `[${progress.trim()}] ${product?.startsWith(root) ? product.slice(root.length + 1) : product}`;
};

/** The same while CMake configures: what it leaves out, and why, is noted in the step's own line. */
export const configureLine = (root, step) => (line) => {
  const what = /^-- Left out: (.*)$/.exec(line)?.[1];
  if (what) step.note(`without ${what}`);
  return nativeLine(root)(line);
};
