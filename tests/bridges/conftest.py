"""Small networks with unlike shapes, and data for them."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

Loader = list[tuple[Tensor, Tensor]]


class Residual(nn.Module):
    """A stem, two residual blocks (one whose sum is made in place), a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.first, self.second = Branch(6, 5), Branch(6, 7)
        self.linear = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm(self.stem(x)))
        x = functional.relu(x + self.first(x))
        y = self.second(x)
        y += x
        return self.linear(functional.relu_(y).mean(dim=(2, 3)))


class Branch(nn.Module):
    """Convolution, batch norm, ReLU, convolution, batch norm."""

    def __init__(self, outer: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(outer, inner, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return self.bn2(self.conv2(y))


def plain() -> nn.Module:
    """A plain chain: bias, stride, dilation, PReLU, a flatten that repeats classes."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1, padding_mode="reflect"),
        nn.PReLU(6),
        nn.Conv2d(6, 8, (3, 2), padding=2, dilation=2, bias=False),
        nn.BatchNorm2d(8, affine=False),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 9),
        nn.GELU(),
        nn.Dropout(0.5),
        nn.Linear(9, 4),
    )


class Tokens(nn.Module):
    """Linear layers on tokens: channels stand on the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(3, 12), nn.Linear(12, 3)
        self.head = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2)
        x = x + self.down(functional.gelu(self.up(x)))
        return self.head(x.mean(dim=1))


class Fork(nn.Module):
    """One group that two layers read."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.left, self.right = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.silu(self.stem(x))
        return (self.left(x) + self.right(x)).mean(dim=(2, 3))


class Tapped(nn.Module):
    """A branch whose output is added, and read once more beside the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv1 = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 7, 3, padding=1)
        self.conv2, self.head = nn.Conv2d(7, 6, 1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.conv2(functional.relu(self.conv1(x)))
        return self.head((x + y).amax(dim=(2, 3)) + y.mean(dim=(2, 3)))


NETS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "plain": plain,
    "tokens": Tokens,
    "fork": Fork,
    "tapped": Tapped,
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make() -> Callable[[str], nn.Module]:
    """Give a function that makes a net by name, its statistics and scales random."""

    def build(name: str) -> nn.Module:
        torch.manual_seed(3)
        model = NETS[name]()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2.0)
                if module.affine:
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias, std=0.3)
        return model

    return build


@pytest.fixture(params=NETS)
def model(
    request: pytest.FixtureRequest, make: Callable[[str], nn.Module]
) -> nn.Module:
    """Every net in turn, in evaluation mode."""
    return make(request.param).eval()


@pytest.fixture
def residual(make: Callable[[str], nn.Module]) -> nn.Module:
    return make("residual").eval()


@pytest.fixture
def loader() -> Loader:
    """Three batches of unequal length, 24 samples of 3 x 8 x 8, labels 0 to 3."""
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(24, 3, 8, 8, generator=generator)
    y = torch.randint(0, 4, (24,), generator=generator)
    return list(zip(x.split([10, 10, 4]), y.split([10, 10, 4]), strict=True))


@pytest.fixture
def samples(loader: Loader) -> tuple[Tensor, Tensor]:
    """All samples of the loader at once."""
    x, y = zip(*loader, strict=True)
    return torch.cat(x), torch.cat(y)


@pytest.fixture
def clouds() -> Loader:
    """Four batches of 16 points of three clouds."""
    generator = torch.Generator().manual_seed(7)
    y = torch.arange(64) % 3
    x = torch.randn(64, 5, generator=generator) + 2 * functional.one_hot(y, 5)
    return list(zip(x.split(16), y.split(16), strict=True))


@pytest.fixture
def mlp() -> nn.Module:
    """A perceptron for the clouds, with batch norm and dropout."""
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Linear(5, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(12, 3),
    ).eval()  # fmt: skip
