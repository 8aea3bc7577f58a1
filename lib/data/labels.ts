// Class labels as they come from files and users, checked one by one: a label that is no class would otherwise
// surface much later, as an index error in the loss or, worse, as a wrong accuracy.
import { IsotorchError } from '../errors.js';

/**
 * Labels as 32-bit integers.
 * @param classes how many classes there are; undefined when any count will do
 * @throws ERR_DATA, naming index and value, for NaN, a fraction, a negative number or one that is no class
 */
export function checkLabels(labels: ArrayLike<number | bigint>, classes: number | undefined, name: string): Int32Array {
  const most = classes ?? 2 ** 31 - 1;
  const checked = new Int32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const label = Number(labels[i]);
    if (!Number.isInteger(label) || label < 0 || label >= most) {
      const range = classes === undefined ? 'from 0' : `from 0 to ${classes - 1} (${classes} classes)`;
      throw new IsotorchError(
        'ERR_DATA',
        `${name}: expected labels that are integers ${range}, received ${labels[i]} at index ${i}`,
      );
    }
    checked[i] = label;
  }
  return checked;
}
