// A process to be killed: puts arrays into the cache of the given folder, on and on under the same few keys, each full of one
// number, and prints that number when it is there.

import { ArrayCache, arrays } from '../../lib/ood/index.js';
import { tidy, torch } from '../../lib/tensor/index.js';

const cache = new ArrayCache(process.argv[2] as string);
const dtype = 'float32';
const keys = (process.argv[3] as string).split(',');
for (let n = 1; ; n++) {
  const [features, logits] = tidy(
    () => [torch.full([2000, 64], n, { dtype }), torch.full([2000, 10], n, { dtype })] as const,
  );
  await cache.put(keys[n % keys.length] as string, arrays({ name: `set ${n}`, features, logits }));
  process.stdout.write(`${n}\n`);
  features.dispose();
  logits.dispose();
}
