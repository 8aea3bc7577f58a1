// The input pipeline alone: an epoch of 50,000 images of 3×32×32 (random pixels: what they show does not matter), cropped,
// flipped and normalised in batches of 128. Here the set is resident and a captured step makes each batch of its picks; the
// peer is a DataLoader with 2 workers over a Dataset that does the same to one image, in tensor operators, as torchvision's
// transforms do.

import { capture, data as datasets, type Tensor, torch } from '../../lib/index.js';
import { type Report, type Row, time } from '../compare.js';
import type { Peer } from '../peer.js';

const count = 50_000;
const { mean, std } = datasets.statistics.cifar10;

const python = `
from torch.utils.data import DataLoader, Dataset
import torch.nn.functional as F
mean, std = torch.tensor(${JSON.stringify(mean)}).view(3, 1, 1), torch.tensor(${JSON.stringify(std)}).view(3, 1, 1)
class Images(Dataset):
    def __init__(self):
        self.images, self.labels = torch.randint(256, (${count}, 3, 32, 32), dtype=torch.uint8), torch.randint(10, (${count},))
    def __len__(self): return ${count}
    def __getitem__(self, i):
        image = F.pad(self.images[i], (4, 4, 4, 4))
        top, left = torch.randint(9, (2,)).tolist()
        image = image[:, top:top + 32, left:left + 32]
        if torch.rand(1) < 0.5: image = image.flip(-1)
        return image.float().div(255).sub(mean).div(std), self.labels[i]
loader = DataLoader(Images(), batch_size=128, shuffle=True, num_workers=2)
def epoch():
    for images, labels in loader: pass`;

export async function data(peer: Peer | undefined, report: Report): Promise<Row[]> {
  torch.manualSeed(0);
  const set = new datasets.ImageDataset({
    images: torch.randint(256, [count, 3, 32, 32], { dtype: 'uint8' }),
    labels: torch.randint(10, [count]),
  });
  const loader = set.batches(128, {
    shuffle: true,
    augment: [datasets.randomCrop(32, 4), datasets.randomHorizontalFlip()],
    normalize: datasets.statistics.cifar10,
  });
  const gather = capture((picks: Tensor) => void loader.gather(picks));
  let epoch = 0;
  const row = await time(
    'data',
    {
      name: 'cifar10',
      what: 'an epoch of the CIFAR-10 input pipeline alone (gather, crop, flip, normalise), against a DataLoader with 2 workers',
      ours: async (times) => {
        for (let i = 0; i < times; i++) await gather.repeat(loader.picks({ epoch: epoch++ }));
      },
      python: { setup: python, statement: 'epoch()' },
      pairs: 5,
      seconds: 1,
      unit: 's',
    },
    peer,
  );
  report(row);
  return [row];
}
