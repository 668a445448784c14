"""Published architectures, built by transformers with random weights: no download.

Each comes in full size and as a small one of the same structure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from tests.bridges.zoo.case import randomised


@dataclass(frozen=True)
class Published:
    """A model class of transformers, its configuration's full and small options.

    `inputs` are the shapes of one sample's input, full and small: three lengths are
    an image, one is a number of words.
    """

    family: str
    model: str
    config: str
    small: Mapping[str, Any]
    inputs: tuple[tuple[int, ...], tuple[int, ...]]
    full: Mapping[str, Any]

    def build(self, small: bool, seed: int = 0) -> nn.Module:
        """Give the network in evaluation mode, all of its values random."""
        package = import_module(f"transformers.models.{self.family}")
        options = {**self.full, **self.small} if small else self.full
        torch.manual_seed(seed)
        model = getattr(package, self.model)(getattr(package, self.config)(**options))
        return randomised(model).eval()

    def samples(self, small: bool, batch: int, seed: int = 0) -> Tensor:
        """Give random images or words."""
        shape = (batch, *self.inputs[small])
        draw = torch.Generator().manual_seed(seed)
        if len(shape) == 2:
            return torch.randint(0, 100, shape, generator=draw)
        return torch.randn(shape, generator=draw)


IMAGE = ((3, 224, 224), (3, 32, 32))
WORDS = ((128,), (10,))
LABELS = {"num_labels": 1000}
FEW = {"num_labels": 5}
# What transformer encoders call their sizes.
ENCODER = {
    **FEW,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 36,
}
PATCHES = {**ENCODER, "image_size": 32, "patch_size": 8}
STAGES = {**FEW, "hidden_sizes": [12, 16, 20, 24], "depths": [1, 2, 1, 1]}
LANGUAGE = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "vocab_size": 100,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def image_classifier(family: str, name: str, small: Mapping[str, Any]) -> Published:
    """Give a network that classifies images into a thousand classes."""
    return Published(
        family, f"{name}ForImageClassification", f"{name}Config", small, IMAGE, LABELS
    )


PUBLISHED = {
    "resnet50": image_classifier(
        "resnet",
        "ResNet",
        {**STAGES, "embedding_size": 8, "hidden_sizes": [16, 24, 32, 40]},
    ),
    "mobilenet_v2": image_classifier(
        "mobilenet_v2", "MobileNetV2", {**FEW, "depth_multiplier": 0.35}
    ),
    "convnext_tiny": image_classifier("convnext", "ConvNext", STAGES),
    "convnext_v2_tiny": image_classifier("convnextv2", "ConvNextV2", STAGES),
    "vit_base": image_classifier("vit", "ViT", PATCHES),
    "deit_base": image_classifier("deit", "DeiT", PATCHES),
    "regnet": image_classifier(
        "regnet", "RegNet", {**STAGES, "embedding_size": 8, "groups_width": 4}
    ),
    "swin_tiny": image_classifier(
        "swin",
        "Swin",
        {
            **FEW,
            "image_size": 32,
            "patch_size": 2,
            "embed_dim": 12,
            "depths": [2, 2],
            "num_heads": [3, 6],
            "window_size": 4,
        },
    ),
    "efficientnet_b0": Published(
        "efficientnet",
        "EfficientNetForImageClassification",
        "EfficientNetConfig",
        {**FEW, "width_coefficient": 0.4, "hidden_dim": 512},
        IMAGE,
        {
            **LABELS,
            "width_coefficient": 1.0,
            "depth_coefficient": 1.0,
            "image_size": 224,
            "hidden_dim": 1280,
        },
    ),
    "segformer_b0": Published(
        "segformer",
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        {
            **FEW,
            "hidden_sizes": [8, 16, 24, 32],
            "depths": [2, 1, 1, 2],
            "num_attention_heads": [2, 2, 3, 4],
            "decoder_hidden_size": 20,
        },
        ((3, 224, 224), (3, 64, 64)),
        {},
    ),
    "bert_base": Published(
        "bert",
        "BertForSequenceClassification",
        "BertConfig",
        {**ENCODER, "vocab_size": 100},
        WORDS,
        {},
    ),
    "gpt2": Published(
        "gpt2",
        "GPT2LMHeadModel",
        "GPT2Config",
        {
            "n_embd": 24,
            "n_layer": 2,
            "n_head": 4,
            "vocab_size": 100,
            "bos_token_id": 0,
            "eos_token_id": 1,
        },
        WORDS,
        {"use_cache": False},
    ),
    "llama": Published(
        "llama",
        "LlamaForCausalLM",
        "LlamaConfig",
        LANGUAGE,
        WORDS,
        {
            "hidden_size": 1024,
            "intermediate_size": 2816,
            "num_hidden_layers": 8,
            "num_attention_heads": 16,
            "num_key_value_heads": 4,
            "vocab_size": 16384,
            "use_cache": False,
        },
    ),
}
