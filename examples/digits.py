"""Train a small network on scikit-learn's digits, halve its MACs, print accuracies.

    python examples/digits.py

takes seconds. Channels are chosen by collaborative channel pruning, the next layers are
fitted by least squares to what the dense network computes, and a few epochs of training
towards the dense network follow. The result is saved, and loaded again.
"""

import tempfile
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

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


def accuracy(model: nn.Module, data: Data) -> float:
    """Give the percentage of samples that the model classifies as labelled."""
    with torch.no_grad():
        return 100 * float((model(data[0]).argmax(dim=1) == data[1]).float().mean())


def main() -> None:
    """Train, compress, and print what each step leaves."""
    torch.manual_seed(0)
    training, testing = digits()
    shuffled = DataLoader(TensorDataset(*training), batch_size=64, shuffle=True)
    model = network().eval()
    cct.finetune(model, shuffled, epochs=12, optimizer="adamw", lr=3e-3)
    loader = [(training[0][:512], training[1][:512])]

    stats = cct.collect(model, loader)
    plan = ccsolve.plan(stats, macs=0.5, recipe="ccp")
    selected = cct.apply(model, plan, loader[0][0])
    repaired = cct.apply(model, plan, loader[0][0], calibration=loader)

    print(repaired.report)
    print(f"accuracy before:          {accuracy(model, testing):5.1f} %")
    print(f"accuracy after selection: {accuracy(selected, testing):5.1f} %")
    print(f"accuracy after repair:    {accuracy(repaired, testing):5.1f} %")
    cct.finetune(repaired, shuffled, epochs=4, lr=0.01, teacher=model)
    print(f"accuracy after training:  {accuracy(repaired, testing):5.1f} %")

    with tempfile.TemporaryDirectory() as folder:
        cct.save(repaired, Path(folder) / "bundle")
        loaded = cct.load(network, Path(folder) / "bundle")
    print(f"accuracy when loaded:     {accuracy(loaded, testing):5.1f} %")


if __name__ == "__main__":
    main()
