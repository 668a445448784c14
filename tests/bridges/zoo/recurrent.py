"""Recurrent networks: a hidden unit is a class, in all gates, layers and directions."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.bridges.zoo.case import shown

SEQUENCE = ((6, 3),)


@shown(
    {
        "embed.weight": 5,
        "rnn.weight_ih_l0": 7,
        "rnn.weight_hh_l0@1": 7,
        "rnn.weight_ih_l0@1": 5,
        "fc.weight@1": 7,
        "fc.weight": 8,
    },
    shapes=SEQUENCE,
)
class LastState(nn.Module):
    """One layer, batch first; its last output is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Linear(3, 5), nn.LSTM(5, 7, batch_first=True)
        self.fc, self.out = nn.Linear(7, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.rnn(self.embed(x))
        return self.out(torch.relu(self.fc(y[:, -1, :])))


@shown(
    {
        "rnn.weight_ih_l0": 6,
        "rnn.weight_hh_l1_reverse@1": 6,
        "rnn.bias_ih_l1": 6,
        "conv.weight": 5,
        "rnn.weight_ih_l0@1": 5,
    },
    shapes=((3, 9),),
)
class Bidirectional(nn.Module):
    """Two layers in both directions, time first, after a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3)
        self.rnn = nn.LSTM(5, 6, num_layers=2, bidirectional=True, dropout=0.2)
        self.fc = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.rnn(torch.relu(self.conv(x)).permute(2, 0, 1))
        return self.fc(y.transpose(0, 1)).log_softmax(-1)


@shown(
    {"rnn.weight_ih_l0": 6, "rnn.weight_hh_l0": 6, "fc.weight@1": 6, "fc.weight": 7},
    shapes=SEQUENCE,
)
class Gated(nn.Module):
    """A GRU in both directions; the last hidden states stand side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 6, bidirectional=True, batch_first=True)
        self.fc, self.out = nn.Linear(12, 7), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        _, hidden = self.rnn(x)
        both = torch.cat((hidden[-2], hidden[-1]), dim=1)
        return self.out(torch.relu(self.fc(both)))


@shown(
    {"rnn.weight_ih_l0": 6, "rnn.weight_ih_l1": 6, "fc.weight@1": 6}, shapes=SEQUENCE
)
class GatedLayers(nn.Module):
    """Two GRU layers without biases, from a state of zeros given by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = 6
        self.rnn = nn.GRU(3, 6, num_layers=2, batch_first=True, bias=False)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        start = torch.zeros(2, x.size(0), self.rnn.hidden_size)
        y, _ = self.rnn(x, start)
        return self.fc(y.mean(dim=1))


@shown({"rnn.weight_ih_l0": 7, "rnn.bias_hh_l0": 7, "mix.weight": 5}, shapes=SEQUENCE)
class Plain(nn.Module):
    """The plain recurrence, with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 7, nonlinearity="relu", batch_first=True)
        self.mix, self.out = nn.Conv1d(7, 5, 3), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.mix(self.rnn(x)[0].transpose(1, 2))
        return self.out(functional.relu(y).amax(-1))


@shown(
    {"embed.weight@1": 8, "rnn.weight_ih_l0": 7, "rnn.weight_ih_l0@1": 8},
    shapes=((6,),),
    vocabulary=11,
)
class Language(nn.Module):
    """Words through an embedding and an LSTM, a word at every place."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8, padding_idx=0)
        self.rnn, self.out = nn.LSTM(8, 7, 2, batch_first=True), nn.Linear(7, 11)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(self.embed(x))[0])


@shown(
    {"input.weight": 6, "state.weight": 6, "state.weight@1": 6, "out.weight@1": 6},
    shapes=((4, 3),),
)
class CellByHand(nn.Module):
    """A gated recurrence of linear layers, unrolled: every layer is called often."""

    def __init__(self) -> None:
        super().__init__()
        self.input, self.state = nn.Linear(3, 12), nn.Linear(6, 12, bias=False)
        self.start, self.out = nn.Parameter(torch.zeros(6)), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.start.expand(x.shape[0], -1)
        for step in x.unbind(1):
            gate, new = (self.input(step) + self.state(h)).chunk(2, dim=-1)
            gate = torch.sigmoid(gate)
            h = (1 - gate) * h + gate * torch.tanh(new)
        return self.out(h)


@shown({"cell.weight_ih": 6, "cell.weight_hh@1": 6, "out.weight@1": 6}, shapes=SEQUENCE)
class CellModule(nn.Module):
    """torch's own cell in a loop, from states made by size."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTMCell(3, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(x.shape[0], self.cell.hidden_size)
        for step in range(x.shape[1]):
            h, c = self.cell(x[:, step], (h, c))
        return self.out(h)
