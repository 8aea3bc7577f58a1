# A perceptron on a table of 64 columns, as tabular.ts beside it.
import torch
from torch import nn

from digits import TRAIN, digits
from training import main

STEPS, BATCH, WIDTH = 1000, 64, 128


def begin(steps=STEPS):
    torch.manual_seed(0)
    pixels, labels = digits()

    def layer(columns):
        return [nn.Linear(columns, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Dropout(0.1)]

    model = nn.Sequential(*layer(64), *layer(WIDTH), nn.Linear(WIDTH, 10))
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps)

    def step():
        picks = torch.randint(TRAIN, (BATCH,))
        loss = criterion(model(pixels[picks]), labels[picks])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return step


if __name__ == "__main__":
    main(begin, STEPS)
