"""Torch in, ccsolve's data out, and back: statistics and smaller networks.

    stats = collect(model, loader)                     # -> ccsolve.Statistics
    stats = measure_latency(model, stats, inputs)      # with tables of microseconds
    small = apply(model, plan, inputs, calibration=loader)   # -> a smaller nn.Module
    small = compress(model, loader, macs=0.5)          # the three steps in one
    small = factorise(model, {"conv1": Factor("svd", 0.5)}, inputs)   # chains of layers
    small = linear_convolutions(model, 0.5)            # filters made of other filters
    finetune(small, loader, teacher=model)             # or any loop of your own
    admm = ADMM(model, 0.4)                            # trains towards low ranks
    save(small, "bundle/"), load(Net, "bundle/")       # weights and recipe, no pickle

The network is read through `torch.export`; `trace` shows which channels can be
removed and why others cannot. Needs the extra: pip install 'ccsolve[torch]'.
"""

from importlib.util import find_spec

from ccsolve.errors import MissingExtra
from ccsolve.factors import Factor

if find_spec("torch") is None:
    raise MissingExtra(
        "ccsolve_torch needs PyTorch, which is not installed; "
        "run: pip install 'ccsolve[torch]'"
    )

from ccsolve_torch.admm import ADMM
from ccsolve_torch.application import apply
from ccsolve_torch.bundles import load, save
from ccsolve_torch.chain_timing import measure_chains
from ccsolve_torch.collection import collect
from ccsolve_torch.combining.linear_layers import (
    LinearConv1d,
    LinearConv2d,
    LinearConv3d,
)
from ccsolve_torch.combining.penalties import (
    coefficient_penalty,
    correlation_penalty,
    update_thresholds,
)
from ccsolve_torch.coupling.costs import count
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.dcff import export_fused, fuse, update_fusion
from ccsolve_torch.factoring.train_map import TrainMap
from ccsolve_torch.finetuning import Training, finetune
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.heads.auxiliary import Auxiliary
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.layers import factorise
from ccsolve_torch.linear_conv import fold, linear_convolutions
from ccsolve_torch.measuring import MeasuredLosses, measured_losses
from ccsolve_torch.pipeline import compress
from ccsolve_torch.repairing.recalibration import recalibrate
from ccsolve_torch.repairing.repair import fit_next_layers
from ccsolve_torch.report import Report
from ccsolve_torch.scoring.ablation import ablation_scores
from ccsolve_torch.scoring.class_wise import class_wise_scores
from ccsolve_torch.scoring.discrimination import dcp_scores
from ccsolve_torch.scoring.soft_pruning import sfp_scores, soft_filter_pruning
from ccsolve_torch.timing import measure_latency

__all__ = [
    "ADMM",
    "Auxiliary",
    "Declared",
    "Factor",
    "Graph",
    "LinearConv1d",
    "LinearConv2d",
    "LinearConv3d",
    "MeasuredLosses",
    "Report",
    "TrainMap",
    "Training",
    "ablation_scores",
    "apply",
    "class_wise_scores",
    "coefficient_penalty",
    "collect",
    "compress",
    "correlation_penalty",
    "count",
    "dcp_scores",
    "export_fused",
    "factorise",
    "finetune",
    "fingerprint",
    "fit_next_layers",
    "fold",
    "fuse",
    "linear_convolutions",
    "load",
    "measure_chains",
    "measure_latency",
    "measured_losses",
    "recalibrate",
    "save",
    "sfp_scores",
    "soft_filter_pruning",
    "trace",
    "update_fusion",
    "update_thresholds",
]
