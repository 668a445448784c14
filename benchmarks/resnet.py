"""Residual networks of He et al. (2015), section 4.2: depth 6n + 2, 32 x 32 images.

Shortcuts carry no weights (option A): where a stage halves the picture and doubles
the channels, every second pixel, with zero channels before and after.
"""

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        """Make the block; only a stride above 1 may change the width."""
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.stride, self.widen = stride, (n_out - n_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Give relu(branch + shortcut)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + self.shortcut(x))

    def shortcut(self, x: Tensor) -> Tensor:
        """Give x, thinned out and widened by zero channels where the stage changes."""
        if self.stride == 1 and self.widen == 0:
            return x
        thin = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(thin, (0, 0, 0, 0, self.widen, self.widen))


class ResNet(nn.Module):
    """A stem, three stages of blocks, global pooling and a linear classifier."""

    def __init__(
        self, blocks: int, widths: tuple[int, int, int], colours: int, classes: int
    ) -> None:
        """Make the network with `blocks` blocks per stage."""
        super().__init__()
        self.conv1 = nn.Conv2d(colours, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.layer1 = _stage(widths[0], widths[0], blocks, 1)
        self.layer2 = _stage(widths[0], widths[1], blocks, 2)
        self.layer3 = _stage(widths[1], widths[2], blocks, 2)
        self.linear = nn.Linear(widths[2], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits (N, classes)."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def resnet(
    blocks: int,
    widths: tuple[int, int, int] = (16, 32, 64),
    colours: int = 3,
    classes: int = 10,
) -> ResNet:
    """Give the network of depth 6 · blocks + 2 with fresh weights."""
    return ResNet(blocks, widths, colours, classes)


def _stage(n_in: int, n_out: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(n_in, n_out, stride)
    return nn.Sequential(first, *(Block(n_out, n_out, 1) for _ in range(blocks - 1)))
