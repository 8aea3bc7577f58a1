# The digits of the package as a plain table: a row for each, 64 grey values of 0 … 1 and the digit.
import gzip
import pathlib

import torch

TRAIN = 1500  # the first rows are for training, the others for tests


def digits():
    file = pathlib.Path(__file__).parents[2] / "assets" / "digits.csv.gz"
    lines = gzip.decompress(file.read_bytes()).decode("latin1").strip().split("\n")
    table = torch.tensor([[float(value) for value in line.split(",")] for line in lines])
    return table[:, :64] / 16, table[:, 64].long()
