# A character transformer on this package's documentation, as charTransformer.ts beside it.
import pathlib

import torch
from torch import nn

from training import main

STEPS, BATCH, CONTEXT, WIDTH = 1000, 12, 64, 64


def text():
    pages = sorted((pathlib.Path(__file__).parents[2] / "docs").glob("*.md"), key=lambda page: page.name)
    data = bytearray(b"".join(page.read_bytes() for page in pages))
    different, characters = torch.unique(torch.frombuffer(data, dtype=torch.uint8), return_inverse=True)
    return characters, len(different)


class CharTransformer(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.places = nn.Embedding(CONTEXT, WIDTH)
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, dropout=0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, vocabulary)
        self.mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT)
        self.all = torch.arange(CONTEXT)

    def forward(self, characters):
        x = self.tokens(characters) + self.places(self.all)
        return self.head(self.encoder(x, mask=self.mask, is_causal=True))


def begin(steps=STEPS):
    torch.manual_seed(0)
    characters, vocabulary = text()
    model = CharTransformer(vocabulary)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    window = torch.arange(CONTEXT + 1)

    def step():
        starts = torch.randint(len(characters) - CONTEXT, (BATCH, 1))
        passage = characters[starts + window]
        logits = model(passage[:, :-1])
        loss = criterion(logits.flatten(0, 1), passage[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


if __name__ == "__main__":
    main(begin, STEPS)
