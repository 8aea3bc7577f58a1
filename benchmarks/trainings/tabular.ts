// A perceptron on a table of 64 columns, with batch norm, dropout, AdamW and a one-cycle schedule.

import { capture, nn, optim, torch } from '../../lib/rooms.js';
import { digits, TRAIN } from './digits.js';
import { main, type Training } from './training.js';

const STEPS = 1000;
const BATCH = 64;
const WIDTH = 128;

export const tabular: Training = {
  steps: STEPS,
  begin(steps = STEPS) {
    torch.manualSeed(0);
    const { pixels, labels } = digits();
    const layer = (columns: number) => [
      new nn.Linear(columns, WIDTH),
      new nn.BatchNorm1d(WIDTH),
      new nn.ReLU(),
      new nn.Dropout(0.1),
    ];
    const model = new nn.Sequential(...layer(64), ...layer(WIDTH), new nn.Linear(WIDTH, 10));
    const criterion = new nn.CrossEntropyLoss({ labelSmoothing: 0.1 });
    const optimizer = new optim.AdamW(model.parameters());
    const schedule = new optim.lrScheduler.OneCycleLR(optimizer, { maxLr: 0.01, totalSteps: steps });

    const step = capture(() => {
      const picks = torch.randint(TRAIN, [BATCH]);
      const loss = criterion.forward(model.forward(pixels.indexSelect(0, picks)), labels.indexSelect(0, picks));
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return { loss };
    });

    return {
      async train(count) {
        const losses = [];
        for (let i = 0; i < count; i++) {
          losses.push((await step()).loss);
          schedule.step();
        }
        return torch.stack(losses);
      },
      evaluate() {
        const test = pixels.shape[0]! - TRAIN;
        model.eval();
        const guesses = torch.noGrad(() => model.forward(pixels.narrow(0, TRAIN, test)).argmax(1));
        const right = guesses
          .eq(labels.narrow(0, TRAIN, test))
          .sum()
          .item();
        return `${right} of ${test} rows of the test right`;
      },
    };
  },
};

await main(import.meta.url, tabular);
