"""The exported statistics of a network: what every recipe works from.

They are plain data, so anyone can write them. Ten lines of numpy make a valid file
(the layout is in the documentation, page "File formats"):

>>> import json, tempfile, numpy as np
>>> from safetensors.numpy import save_file
>>> rows = np.random.default_rng(0).normal(size=(50, 8)).astype("float32")
>>> group = {"name": "conv1", "size": 8, "approximate": False, "min_keep": 1}
>>> term = {"groups": ["conv1"], "macs": 5760, "params": 74}
>>> conv = {"name": "conv1", "kind": "conv", "inputs": [], "output": "conv1"}
>>> manifest = {"schema": 1, "kind": "statistics", "groups": [group], "layers": [],
...     "operations": [{**conv, "terms": [term]}], "samples": 50,
...     "loss": "cross_entropy", "fingerprint": "by hand", "meta": {}}
>>> path = tempfile.mkdtemp() + "/net.safetensors"
>>> tensors = {"groups/conv1/ggn_rows": rows / np.float32(50**0.5)}
>>> save_file(tensors, path, metadata={"ccsolve": json.dumps(manifest)})

and ccsolve reads it:

>>> stats = Statistics.load(path)
>>> stats.cost({"conv1": 4})
Cost(macs=23040, params=296, latency=None, memory=None)
>>> stats.channel_selection("conv1", keep=4, first_order=0).n
8
"""

from ccsolve.statistics.cost import Cost, Operation, Term
from ccsolve.statistics.group import Group
from ccsolve.statistics.latency import LatencyTable
from ccsolve.statistics.layer import Layer
from ccsolve.statistics.memory import Bytes, Memory
from ccsolve.statistics.network import Statistics
from ccsolve.statistics.tables import CostTables, cost_tables, memory_tables

__all__ = [
    "Bytes",
    "Cost",
    "CostTables",
    "Group",
    "LatencyTable",
    "Layer",
    "Memory",
    "Operation",
    "Statistics",
    "Term",
    "cost_tables",
    "memory_tables",
]
