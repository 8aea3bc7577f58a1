// A two-layer GRU that reads a digit row by row, eight steps of eight pixels, and says which it is.

import { capture, nn, optim, type Tensor, torch } from '../../lib/rooms.js';
import { digits, TRAIN } from './digits.js';
import { main, type Training, times } from './training.js';

const BATCH = 32;

class Reader extends nn.Module<Tensor, [rows: Tensor]> {
  readonly gru = new nn.GRU(8, 64, { numLayers: 2, batchFirst: true });
  readonly head = new nn.Linear(64, 10);

  override forward(rows: Tensor): Tensor {
    const [output] = this.gru.forward(rows);
    return this.head.forward(output.select(1, -1));
  }
}

export const gru: Training = {
  steps: 1000,
  begin() {
    torch.manualSeed(0);
    const { pixels, labels } = digits();
    const rows = pixels.view([-1, 8, 8]);
    const model = new Reader();
    const criterion = new nn.CrossEntropyLoss();
    const optimizer = new optim.Adam(model.parameters(), { lr: 2e-3 });

    const step = capture(() => {
      const picks = torch.randint(TRAIN, [BATCH]);
      const loss = criterion.forward(model.forward(rows.indexSelect(0, picks)), labels.indexSelect(0, picks));
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    });

    return {
      train: async (count) => (await step.repeat(times(count))).loss,
      evaluate() {
        const test = pixels.shape[0]! - TRAIN;
        const guesses = torch.noGrad(() => model.forward(rows.narrow(0, TRAIN, test)).argmax(1));
        const right = guesses
          .eq(labels.narrow(0, TRAIN, test))
          .sum()
          .item();
        return `${right} of ${test} digits of the test right`;
      },
    };
  },
};

await main(import.meta.url, gru);
