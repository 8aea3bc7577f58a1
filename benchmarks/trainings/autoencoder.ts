// An autoencoder of digits: convolutions down to twelve numbers, transposed convolutions back to 8×8 pixels.

import { capture, nn, optim, torch } from '../../lib/rooms.js';
import { digits, TRAIN } from './digits.js';
import { main, type Training, times } from './training.js';

const BATCH = 32;

export const autoencoder: Training = {
  steps: 1000,
  begin() {
    torch.manualSeed(0);
    const images = digits().pixels.view([-1, 1, 8, 8]);
    const model = new nn.Sequential(
      new nn.Conv2d(1, 16, 3, { stride: 2, padding: 1 }), // 4×4
      new nn.ReLU(),
      new nn.Conv2d(16, 32, 3, { stride: 2, padding: 1 }), // 2×2
      new nn.ReLU(),
      new nn.Flatten(),
      new nn.Linear(128, 12),
      new nn.Linear(12, 128),
      new nn.ReLU(),
      new nn.Unflatten(1, [32, 2, 2]),
      new nn.ConvTranspose2d(32, 16, 3, { stride: 2, padding: 1, outputPadding: 1 }), // 4×4
      new nn.ReLU(),
      new nn.ConvTranspose2d(16, 1, 3, { stride: 2, padding: 1, outputPadding: 1 }), // 8×8
      new nn.Sigmoid(),
    );
    const criterion = new nn.MSELoss();
    const optimizer = new optim.Adam(model.parameters(), { lr: 2e-3 });

    const step = capture(() => {
      const originals = images.indexSelect(0, torch.randint(TRAIN, [BATCH]));
      const loss = criterion.forward(model.forward(originals), originals);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    });

    return {
      train: async (count) => (await step.repeat(times(count))).loss,
      evaluate() {
        const unseen = images.narrow(0, TRAIN, images.shape[0]! - TRAIN);
        const loss = torch.noGrad(() => criterion.forward(model.forward(unseen), unseen));
        return `mean square error of the test: ${loss.item().toFixed(4)}`;
      },
    };
  },
};

await main(import.meta.url, autoencoder);
