"""A small residual network and scikit-learn's digits to train it on."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.resnet import resnet

Data = tuple[Tensor, Tensor]


def digits() -> tuple[Data, Data]:
    """Give (images, labels) for training and testing, 8 x 8 pixels in [0, 1]."""
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    training = torch.arange(len(x)) % 5 < 3
    return (x[training], y[training]), (x[~training], y[~training])


def trained(data: Data, epochs: int = 20, seed: int = 0) -> nn.Module:
    """Give a ResNet of two blocks per stage, 8, 12 and 16 channels wide, trained."""
    torch.manual_seed(seed)
    model = resnet(blocks=2, widths=(8, 12, 16), colours=1)
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for part in torch.randperm(len(data[0])).split(64):
            optimiser.zero_grad()
            logits = model(data[0][part])
            nn.functional.cross_entropy(logits, data[1][part]).backward()
            optimiser.step()
        plan.step()
    return model.eval()


def accuracy(model: nn.Module, data: Data) -> float:
    """Give the percentage of samples that the model classifies as labelled."""
    with torch.no_grad():
        return 100 * float((model(data[0]).argmax(dim=1) == data[1]).float().mean())
