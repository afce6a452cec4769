"""Writes model.pt: a small convolutional network as TorchScript, trained for a moment on the first five classes of Fashion-MNIST.

    python3 make_model.py        # needs PyTorch; the file beside this one was made so
"""
import gzip
import pathlib

import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
                                      nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(16 * 7 * 7, 10))

    def forward(self, images):
        return self.head(self.features(images))


def main():
    torch.manual_seed(1)
    images = torch.frombuffer(bytearray(gzip.open(DATA / "train-images-idx3-ubyte.gz").read()[16:]), dtype=torch.uint8)
    labels = torch.frombuffer(bytearray(gzip.open(DATA / "train-labels-idx1-ubyte.gz").read()[8:]), dtype=torch.uint8).long()
    images = images.reshape(-1, 1, 28, 28).float().div(255).sub(0.2860).div(0.3530)  # as the data source idx gives them
    some = labels < 5
    images, labels = images[some][:12800], labels[some][:12800]
    model = torch.jit.script(Model())
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for first in range(0, len(labels), 64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[first:first + 64]), labels[first:first + 64]).backward()
        optimizer.step()
    model.save(str(HERE / "model.pt"))


if __name__ == "__main__":
    main()
