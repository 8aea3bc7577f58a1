# An autoencoder of digits, as autoencoder.ts beside it.
import torch
from torch import nn

from digits import TRAIN, digits
from training import main

STEPS, BATCH = 1000, 32


def begin(steps=STEPS):
    torch.manual_seed(0)
    images = digits()[0].view(-1, 1, 8, 8)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),  # 4×4
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),  # 2×2
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 12),
        nn.Linear(12, 128),
        nn.ReLU(),
        nn.Unflatten(1, (32, 2, 2)),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),  # 4×4
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),  # 8×8
        nn.Sigmoid(),
    )
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

    def step():
        originals = images[torch.randint(TRAIN, (BATCH,))]
        loss = criterion(model(originals), originals)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


if __name__ == "__main__":
    main(begin, STEPS)
