"""Chains of convolutions: how they are called, flattened, and in how many axes."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


def unit(inner: int, outer: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU in place."""
    return nn.Sequential(
        nn.Conv2d(inner, outer, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outer),
        nn.ReLU(inplace=True),
    )


@shown({"0.0.weight": 6, "2.0.weight": 10, "5.weight@1": 10, "5.weight": 9})
class Modules(nn.Sequential):
    """Everything a module; flattened before the classifier."""

    def __init__(self) -> None:
        super().__init__(
            unit(3, 6),
            nn.MaxPool2d(2),
            unit(6, 10),
            nn.AdaptiveAvgPool2d((2, 2)),
            nn.Flatten(),
            nn.Linear(40, 9),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(9, 4),
        )


class Flattened(nn.Module):
    """Two convolutions, then a classifier on 12 channels of 4 x 4 positions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = unit(3, 8), unit(8, 12, stride=2)
        self.fc = nn.Linear(12 * 16, 5)

    def flat(self, x: Tensor) -> Tensor:
        """Give (N, 192); the networks below do it in ways of their own."""
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.flat(self.b(self.a(x))))


FLAT = {"a.0.weight": 8, "b.0.weight": 12, "fc.weight@1": 12}


@shown(FLAT)
class FlattenFunction(Flattened):
    def flat(self, x: Tensor) -> Tensor:
        return torch.flatten(x, 1)


@shown(FLAT)
class LiteralView(Flattened):
    def flat(self, x: Tensor) -> Tensor:
        return x.view(-1, 192)


@shown(FLAT)
class LiteralReshape(Flattened):
    def flat(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 12 * 4 * 4)


@shown(FLAT)
class ViewBySize(Flattened):
    def flat(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), -1)


@shown(FLAT)
class ViewByProduct(Flattened):
    def flat(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        return x.reshape(n, c * h * w)


@shown(FLAT)
class ChannelsLast(Flattened):
    """Positions before channels: classes alternate in the flattened axis."""

    def flat(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).contiguous().flatten(start_dim=1)


@shown({"conv1.weight": 8, "conv2.weight": 8, "fc1.weight": 10, "fc1.weight@1": 8})
class Functions(nn.Module):
    """The classic tutorial: modules hold weights, functions do the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.fc1, self.fc2 = nn.Linear(72, 10), nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        bn = self.bn
        y = functional.conv2d(x, self.conv2.weight, self.conv2.bias, padding=1)
        y = functional.batch_norm(y, bn.running_mean, bn.running_var, bn.weight)
        y = functional.leaky_relu_(y, 0.1)
        y = functional.dropout(y, training=self.training).view(-1, 72)
        y = functional.silu(functional.linear(y, self.fc1.weight, self.fc1.bias))
        return functional.log_softmax(self.fc2(y), dim=1)


@shown({"0.weight": 6, "3.weight": 8, "7.weight@1": 8}, shapes=((2, 20),))
class Signals(nn.Sequential):
    """Convolutions over one axis, dilated, padded by reflection."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv1d(2, 6, 5, stride=2, padding=2, padding_mode="reflect"),
            nn.BatchNorm1d(6),
            nn.PReLU(6),
            nn.Conv1d(6, 8, 3, dilation=2, padding="same"),
            nn.ELU(),
            nn.MaxPool1d(2),
            nn.Flatten(),
            nn.Linear(40, 4),
        )


@shown({"a.weight": 6, "b.weight": 8}, shapes=((2, 4, 6, 6),))
class Volumes(nn.Module):
    """Convolutions over three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Conv3d(2, 6, 3, padding=1), nn.BatchNorm3d(6)
        self.b, self.pool = nn.Conv3d(6, 8, (1, 3, 3)), nn.AvgPool3d(2)
        self.head = nn.Conv3d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu_(self.norm(self.a(x))))
        return self.head(functional.softplus(self.b(x))).mean(dim=(2, 3, 4))


@shown({"down.weight": 8, "up.weight@1": 6, "wide.weight@0": 8})
class Transposed(nn.Module):
    """An encoder and decoder; the weight of a transposed layer starts with inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.wide = nn.ConvTranspose2d(8, 10, 3, padding=1)
        self.up = nn.ConvTranspose2d(10, 6, 2, stride=2, bias=False)
        self.norm, self.out = nn.BatchNorm2d(6), nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.wide(functional.relu(self.down(x))))
        return torch.sigmoid(self.out(functional.gelu(self.norm(self.up(x)))))


@shown({"a.weight": 8, "up.weight": 8, "last.weight@0": 8})
class TransposedDepthwise(nn.Module):
    """A depthwise transposed convolution, as upsampling heads use it."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, groups=8)
        self.last = nn.ConvTranspose2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(functional.relu6(self.a(x))))


@shown({"0.weight": 8, "2.weight": 8, "5.weight": 8, "8.weight@1": 8})
class Activations(nn.Sequential):
    """Norms without affine or statistics, slopes per channel and shared."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.PReLU(8),
            nn.Conv2d(8, 8, 3, bias=False),
            nn.BatchNorm2d(8, affine=False),
            nn.PReLU(),
            nn.Conv2d(8, 8, 1),
            nn.BatchNorm2d(8, track_running_stats=False),
            nn.Hardswish(inplace=True),
            nn.Conv2d(8, 4, 3),
        )
