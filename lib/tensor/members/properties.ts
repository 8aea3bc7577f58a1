// What Python has as properties of `Tensor` though the dispatcher has operators (`T`, `mT`, `real`), and the facts that are
// no operators at all.

import { aten, operator } from '../dispatch.js';
import type { Tensor } from '../tensor.js';
import { membersOfTensor } from './members.js';

/** Bytes of one element, where the dtype's name doesn't end in its bits. */
const itemSizes: Record<string, number> = { bool: 1, qint8: 1, quint8: 1, qint32: 4 };
const itemSizeOf = (dtype: string): number => itemSizes[dtype] ?? Number(/(\d+)(?:_e\d.*)?$/.exec(dtype)![1]) / 8;

const isOn = (device: string, kind: string): boolean => device.split(':', 1)[0] === kind;

export const properties = membersOfTensor({
  /** All dimensions in reverse order (`Tensor.T`); meant for matrices. */
  get T(): Tensor {
    return aten('numpy_T', this);
  },
  /** The conjugate transpose of a matrix (`Tensor.H`). */
  get H(): Tensor {
    return aten('matrix_H', this);
  },
  /** The last two dimensions exchanged (`Tensor.mT`). */
  get mT(): Tensor {
    return aten('mT', this);
  },
  /** The last two dimensions exchanged and conjugated (`Tensor.mH`). */
  get mH(): Tensor {
    return aten('mH', this);
  },
  /** The real parts: a view, or the tensor itself where it is real (`Tensor.real`). */
  get real(): Tensor {
    return this.isComplex() ? aten('real', this) : (this as unknown as Tensor);
  },
  /** A view of the imaginary parts (`Tensor.imag`). @throws ERR_DTYPE for real tensors */
  get imag(): Tensor {
    return aten('imag', this);
  },
  /** The same memory without its history (`Tensor.data`); `detach()` is the safer form. */
  get data(): Tensor {
    return aten('data', this);
  },

  /** Whether it is no result of a recorded operator (`Tensor.is_leaf`). */
  get isLeaf(): boolean {
    return operator('aten::is_leaf').call1(this) as boolean;
  },
  /** Whether a gradient is kept for it though it is no leaf. */
  get retainsGrad(): boolean {
    return operator('aten::retains_grad').call1(this) as boolean;
  },
  /** Which of its operator's results it is. */
  get outputNr(): number {
    return operator('aten::output_nr').call1(this) as number;
  },

  /** Bytes of one element (`Tensor.itemsize`). */
  get itemsize(): number {
    return itemSizeOf(this.dtype);
  },
  /** Bytes of all elements (`Tensor.nbytes`). */
  get nbytes(): number {
    return this.numel() * itemSizeOf(this.dtype);
  },

  get isCpu(): boolean {
    return isOn(this.device, 'cpu');
  },
  get isCuda(): boolean {
    return isOn(this.device, 'cuda');
  },
  get isMps(): boolean {
    return isOn(this.device, 'mps');
  },
  get isXpu(): boolean {
    return isOn(this.device, 'xpu');
  },
  get isMeta(): boolean {
    return isOn(this.device, 'meta');
  },
  get isSparse(): boolean {
    return this.layout === 'sparse_coo';
  },
  get isSparseCsr(): boolean {
    return this.layout === 'sparse_csr';
  },
  get isQuantized(): boolean {
    return this.dtype.startsWith('q');
  },
});
