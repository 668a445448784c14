"""Channels that change place: shuffled into pixels, reversed, stacked, unfolded."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown


@shown({"a.weight": 5, "b.weight": 6, "c.weight@1": 6})
class PixelShuffled(nn.Module):
    """Four channels become four pixels of one; a class is the four of them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.up = nn.Conv2d(3, 20, 3, padding=1), nn.PixelShuffle(2)
        self.b, self.c = nn.Conv2d(5, 24, 3), nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.b(functional.relu(self.up(self.a(x))))
        return self.c(functional.pixel_shuffle(x, 2))


@shown({"a.weight": 5, "b.weight@1": 5, "b.weight": 6})
class PixelUnshuffled(nn.Module):
    """Pixels become channels: four of them belong to one class."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.down = nn.Conv2d(3, 5, 3, padding=1), nn.PixelUnshuffle(2)
        self.b, self.c = nn.Conv2d(20, 6, 1), nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.b(self.down(torch.relu(self.a(x))))))


@shown({"a.weight": 5, "norm.weight": 5, "b.weight": 6})
class Focus(nn.Module):
    """Every other pixel beside the others, by slices."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 5, 1), nn.BatchNorm2d(20)
        self.b, self.c = nn.Conv2d(20, 6, 3, padding=1), nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        corners = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return self.c(self.b(torch.relu(self.norm(torch.cat(corners, 1)))))


@shown({"a.weight": 8, "proj.weight": 6, "proj.weight@1": 8, "down.weight": 7})
class PatchMerging(nn.Module):
    """Neighbouring patches side by side by a view; patches made by unfolding."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.proj = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8 * 4, 6)
        self.down, self.head = nn.Linear(24, 7), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.unfold(self.a(x), kernel_size=2, stride=2).transpose(1, 2)
        x = torch.relu(self.proj(x)).view(-1, 4, 4, 6)
        x = torch.cat(
            [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1
        )
        return self.head(torch.relu(self.down(x.view(x.shape[0], -1, 24)))).mean(1)


@shown({"a.weight": 6, "b.weight": 6, "c.weight": 6, "d.weight": 8})
class Stacked(nn.Module):
    """Branches on an axis of their own, summed and weighed over it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(3, 6, 5, padding=2)
        self.c, self.d = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 8, 1)
        self.e = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.stack((self.a(x), self.b(x)), dim=1)
        score = self.c(both.sum(1).mean((2, 3), keepdim=True))
        share = torch.softmax(torch.stack([score, -score], 1), dim=1)
        return self.e(torch.relu(self.d((both * share).sum(dim=1))))


@shown({"a.weight": 6, "b.weight": 6, "c.weight@1": 12, "c.weight": 5})
class Moved(nn.Module):
    """Axes moved about and back, values flipped, rolled and repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 1), nn.Linear(6, 6)
        self.c, self.d = nn.Conv2d(12, 5, 1), nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.roll(self.a(x), shifts=(1, -1), dims=(2, 3)).flip(-1)
        y = self.b(x.movedim(1, -1).swapaxes(1, 2)).mT.transpose(-2, -1)
        y = y.permute(0, 3, 2, 1)[:, :, 1:-1, :]
        y = functional.pad(y, (0, 0, 1, 1), mode="replicate")
        both = torch.cat((y.tile(1, 1, 1, 1), x.unsqueeze(2).squeeze(2)), dim=1)
        return self.d(torch.where(self.c(both) > 0, self.c(both), 0.1).exp())


@shown({"a.weight": 6, "b.weight": 8})
class Repeated(nn.Module):
    """Channels repeated: one class, several places."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 1), nn.Conv2d(12, 8, 1)
        self.c, self.d = nn.Conv2d(16, 5, 1), nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.b(torch.relu(self.a(x)).repeat(1, 2, 1, 1)))
        return self.d(torch.relu(self.c(x.repeat_interleave(2, dim=1))))


@shown({"a.weight": 6, "b.weight": 5})
class Swapped(nn.Module):
    """Halves of the channels change places."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 12, 1), nn.Conv2d(12, 5, 1)
        self.c = nn.Conv2d(5, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        first, second = torch.chunk(torch.relu(self.a(x)), 2, 1)
        return self.c(torch.relu(self.b(torch.cat((second, first), 1))))


@shown({"encode.weight": 8, "hidden.weight": 10})
class Autoencoder(nn.Module):
    """A flat code that becomes channels again."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.hidden = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(128, 10)
        self.grow, self.decode = nn.Linear(10, 6 * 16), nn.ConvTranspose2d(6, 3, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.hidden(torch.relu(self.encode(x)).flatten(1)))
        return self.decode(torch.relu(self.grow(x)).view(-1, 6, 4, 4))


@shown({"grow.weight": 6, "decode.weight@0": 6, "mid.weight@1": 7}, shapes=((5,),))
class Generator(nn.Module):
    """A vector becomes a feature map by a view with all lengths written out."""

    def __init__(self) -> None:
        super().__init__()
        self.grow, self.mid = nn.Linear(5, 96), nn.ConvTranspose2d(6, 7, 3, padding=1)
        self.norm, self.decode = nn.BatchNorm2d(6), nn.ConvTranspose2d(6, 2, 2, 2)
        self.last = nn.Conv2d(7, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.norm(self.grow(x).view(-1, 6, 4, 4)))
        return self.decode(x), self.last(torch.relu(self.mid(x)))
