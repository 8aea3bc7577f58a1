// How a module's field becomes a key of its state dict: `runningMean` is PyTorch's `running_mean`. Names that this rule
// would spell otherwise than a checkpoint does are given literally, with Module's register methods.

/**
 * `_` and lower case for an upper-case letter that follows a lower-case letter or a digit; nothing else changes.
 * @example snakeCase('numBatchesTracked'); // 'num_batches_tracked', while 'layer1', 'T' and 'fc_2' stay
 */
export function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
