# A two-layer GRU that reads a digit row by row, as gru.ts beside it.
import torch
from torch import nn

from digits import TRAIN, digits
from training import main

STEPS, BATCH = 1000, 32


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 64, num_layers=2, batch_first=True)
        self.head = nn.Linear(64, 10)

    def forward(self, rows):
        output, _ = self.gru(rows)
        return self.head(output[:, -1])


def begin(steps=STEPS):
    torch.manual_seed(0)
    pixels, labels = digits()
    rows = pixels.view(-1, 8, 8)
    model = Reader()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

    def step():
        picks = torch.randint(TRAIN, (BATCH,))
        loss = criterion(model(rows[picks]), labels[picks])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


if __name__ == "__main__":
    main(begin, STEPS)
