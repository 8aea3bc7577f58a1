// The second part of every loss of the family: logits and labels in, the mean loss out. What SoftMax and the IsoMax losses
// differ in is the entropic scale E_s that multiplies the logits while training, and nothing else.

import { IsotorchError } from '../errors.js';
import { capture, type Tensor, torch } from '../tensor/index.js';

/** reduction=mean, as aten counts them. */
const mean = 1;

/** No label is skipped: PyTorch's default of −100 would let a wrong label pass in silence. */
const ignoreNone = Number.MIN_SAFE_INTEGER;

/** −log softmax(scale·z)_y, averaged over the batch, in one stable operator: at scale 1 PyTorch's own. */
export function stableLoss(logits: Tensor, labels: Tensor, scale: number): Tensor {
  checkLabels(logits, labels);
  return withLabelErrors(logits, labels, () =>
    scale === 1
      ? torch.crossEntropyLoss(logits, labels, null, mean, ignoreNone)
      : torch.ops.isomax.entropicLoss(logits, labels, scale),
  );
}

/** The same in two steps, probabilities first and their logarithm after, as the authors publish it. */
export function sequentialLoss(logits: Tensor, labels: Tensor, scale: number): Tensor {
  checkLabels(logits, labels);
  const probabilities = logits.mul(scale).softmax(1);
  return withLabelErrors(logits, labels, () => probabilities.gather(1, labels.unsqueeze(1)).log().mean().neg());
}

/** bfloat16 and float16 as float32: for criteria that take more of the logits than one operator, which does so itself. */
export function inFullPrecision(logits: Tensor): Tensor {
  return logits.dtype === 'bfloat16' || logits.dtype === 'float16' ? logits.to('float32') : logits;
}

/** What can be told without reading the labels' values. */
export function checkLabels(logits: Tensor, labels: Tensor): void {
  const shape = logits.shape;
  if (shape.length !== 2 || shape[0] === 0 || shape[1] === 0)
    throw new IsotorchError('ERR_SHAPE', `Expected logits of shape [N, classes] but received [${shape.join(', ')}]`);
  const given = labels.shape;
  if (given.length !== 1 || given[0] !== shape[0]) {
    throw new IsotorchError(
      'ERR_SHAPE',
      `Expected one label for each row of logits, shape [${shape[0]}], but received labels of shape [${given.join(', ')}]`,
    );
  }
  if (labels.dtype !== 'int64')
    throw new IsotorchError(
      'ERR_DTYPE',
      `Expected labels of dtype int64 but received ${labels.dtype}: labels.to('int64')`,
    );
}

/** LibTorch refuses labels out of range on the CPU; this says which they are. A GPU only stops, later and without reason. */
function withLabelErrors(logits: Tensor, labels: Tensor, compute: () => Tensor): Tensor {
  try {
    return compute();
  } catch (error) {
    if (!(error instanceof IsotorchError && error.code === 'ERR_INDEX')) throw error;
    const classes = logits.shape[1] as number;
    const [least, most] = capture.outside(() => [labels.min().item(), labels.max().item()]);
    throw new IsotorchError(
      'ERR_INDEX',
      `Expected labels from 0 to ${classes - 1}, for the ${classes} classes of the logits, but received labels from ${least} to ${most}`,
      { cause: error },
    );
  }
}
