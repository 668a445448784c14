"""Train a small network on scikit-learn's digits, halve its MACs, print accuracies.

    python examples/digits.py

takes seconds. The network is compressed without further training: channels are
chosen by collaborative channel pruning, then the next layers are fitted by least
squares to what the dense network computes.
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct

Data = tuple[Tensor, Tensor]


def digits() -> tuple[Data, Data]:
    """Give (images, labels) for training and for testing, 8 x 8 pixels in [0, 1]."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    training = torch.arange(len(x)) % 5 < 3
    return (x[training], y[training]), (x[~training], y[~training])


def network() -> nn.Module:
    """Give a plain chain of convolutions with batch norm, then two linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def train(model: nn.Module, data: Data, epochs: int = 12) -> nn.Module:
    """Train with Adam; give the model in evaluation mode."""
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for x, y in shuffled(data):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimiser.step()
    return model.eval()


def shuffled(data: Data, size: int = 64) -> list[Data]:
    """Give the samples in random batches."""
    order = torch.randperm(len(data[0]))
    return [(data[0][part], data[1][part]) for part in order.split(size)]


def accuracy(model: nn.Module, data: Data) -> float:
    """Give the percentage of samples that the model classifies as labelled."""
    with torch.no_grad():
        return 100 * float((model(data[0]).argmax(dim=1) == data[1]).float().mean())


def main() -> None:
    """Train, compress, and print what each step leaves."""
    torch.manual_seed(0)
    training, testing = digits()
    model = train(network(), training)
    loader = [(training[0][:512], training[1][:512])]

    stats = cct.collect(model, loader)
    plan = ccsolve.plan(stats, macs=0.5, recipe="ccp")
    selected = cct.apply(model, plan, loader[0][0])
    repaired = cct.apply(model, plan, loader[0][0], calibration=loader)

    print(repaired.report)
    print(f"accuracy before:          {accuracy(model, testing):5.1f} %")
    print(f"accuracy after selection: {accuracy(selected, testing):5.1f} %")
    print(f"accuracy after repair:    {accuracy(repaired, testing):5.1f} %")


if __name__ == "__main__":
    main()
