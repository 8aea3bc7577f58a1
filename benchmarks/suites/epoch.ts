// A whole epoch of Fashion-MNIST end to end: the quickstart's network and recipe with IsoMax, from the data set to trained
// weights. The peer is what one writes in Python: a Dataset, a DataLoader with as many workers as cores, the authors' loss,
// and the five lines.

import { availableParallelism } from 'node:os';
import { data, type IsotorchError, losses, models, optim, training } from '../../lib/index.js';
import { type Report, type Row, time } from '../compare.js';
import type { Peer } from '../peer.js';

const python = (path: string, channelsLast: boolean) => `
import gzip
from torch import nn
from torch.utils.data import DataLoader, Dataset
def idx(path, skip):
    with (gzip.open if path.endswith('.gz') else open)(path, 'rb') as f: return torch.frombuffer(bytearray(f.read()[skip:]), dtype=torch.uint8)
class Fashion(Dataset):
    def __init__(self):
        self.images = idx(${JSON.stringify(`${path}/train-images-idx3-ubyte.gz`)}, 16).view(-1, 1, 28, 28)
        self.labels = idx(${JSON.stringify(`${path}/train-labels-idx1-ubyte.gz`)}, 8).long()
    def __len__(self): return len(self.images)
    def __getitem__(self, i): return self.images[i].float().div(255).sub(0.286).div(0.353), self.labels[i]
class IsoMaxHead(nn.Module):
    def __init__(self, d, c):
        super().__init__()
        self.prototypes = nn.Parameter(torch.zeros(c, d))
    def forward(self, f): return -torch.cdist(f, self.prototypes, p=2.0, compute_mode='donot_use_mm_for_euclid_dist')
def block(a, b, s=1): return [nn.Conv2d(a, b, 3, stride=s, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
net = nn.Sequential(*block(1, 16, 2), *block(16, 32), *block(32, 32), *block(32, 64, 2), *block(64, 64),
                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), IsoMaxHead(64, 10))
${channelsLast ? 'net = net.to(memory_format=torch.channels_last)' : ''}
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
loader = DataLoader(Fashion(), batch_size=128, shuffle=True, num_workers=${availableParallelism()})
def epoch():
    for images, labels in loader:
        z = net(images)
        loss = -torch.log(torch.softmax(10 * z, 1)[torch.arange(len(labels)), labels]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()`;

export async function epoch(peer: Peer | undefined, report: Report): Promise<Row[]> {
  const folder = (await data.available()).find(({ name }) => name === 'fashion-mnist')?.train ?? undefined;
  if (folder === undefined) {
    console.error(
      'epoch.fashion-mnist: Fashion-MNIST is not on this machine (`npm run quickstart` fetches it); left out.',
    );
    return [];
  }
  const { train } = await data.fashionMnist().catch((error: IsotorchError) => {
    throw error;
  });
  const { head, criterion } = losses.byName('isomax');
  const model = models.convNet({ head }).to({ memoryFormat: 'channels_last' });
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 });
  const rows: Row[] = [];
  for (const [name, channelsLast, what] of [
    [
      'fashion-mnist',
      false,
      'a whole epoch of Fashion-MNIST with the quickstart’s net and IsoMax, against a plain PyTorch script with DataLoader',
    ],
    ['fashion-mnist-channels-last', true, 'the same, the script’s net in channels_last too, as ours is'],
  ] as const) {
    const row = await time(
      'epoch',
      {
        name,
        what,
        ours: async (times) => {
          await training.fit({ model, criterion: criterion(), train, optimizer, epochs: times });
        },
        python: { setup: python(folder, channelsLast), statement: 'epoch()' },
        pairs: 5,
        seconds: 1,
        unit: 's',
      },
      peer,
    );
    report(row);
    rows.push(row);
  }
  return rows;
}
