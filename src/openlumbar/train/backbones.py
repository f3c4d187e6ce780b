"""The networks of Cho et al. 2022 by way of timm: the only place that knows it."""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from openlumbar.core.errors import OptionError
from openlumbar.recipes.cho2022 import Backbone

log = logging.getLogger(__name__)

#: What timm calls the networks.
TIMM_NAMES: dict[Backbone, str] = {
    "densenet169": "densenet169",
    "inception_resnet_v2": "inception_resnet_v2",
    "xception": "legacy_xception",
}
#: The two words that may stand in place of a file of weights.
HUB, SCRATCH = "hub", "none"
#: What loading weights from a hub that cannot be reached, or from a wrong file, raises.
_LOADING_ERRORS = (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError)


@dataclass(frozen=True, eq=False)
class StartedBackbone:
    """A network, and what its weights began as.

    Attributes
    ----------
    network
        From ``[batch, 3, row, column]`` in 0 … 1 to feature maps.
    features
        Their channels.
    imagenet
        Whether its weights know ImageNet.
    start
        Where they come from, in words for the card and the log.
    """

    network: nn.Module
    features: int
    imagenet: bool
    start: str


class Features(nn.Module):
    """A timm network up to its last feature maps, behind what its weights expect.

    Parameters
    ----------
    network
        A timm model.
    reduce
        Rows and columns of the picture that are averaged to one.
    """

    mean: Tensor
    deviation: Tensor
    network: Any  # a module, with what timm's have beyond

    def __init__(self, network: Any, reduce: int) -> None:
        super().__init__()
        self.network = network
        self.reduce = reduce
        config = network.pretrained_cfg
        for name, key in (("mean", "mean"), ("deviation", "std")):
            self.register_buffer(name, torch.tensor(config[key]).reshape(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Feature maps ``[batch, feature, row, column]`` of ``[batch, 3, row, column]``."""
        if self.reduce > 1:
            image = functional.avg_pool2d(image, self.reduce)
        maps: Tensor = self.network.forward_features((image - self.mean) / self.deviation)
        return maps


def start_backbone(backbone: Backbone, pretrained: str, reduce: int = 1) -> StartedBackbone:
    """Build a network and load ImageNet weights into it, where there are any.

    Parameters
    ----------
    backbone
        Which.
    pretrained
        ``hub``: timm's weights from its cache or its hub, from scratch where neither can be
        had; ``none``: from scratch; otherwise a file of those weights.
    reduce
        As in :class:`Features`.

    Raises
    ------
    OptionError
        A file of weights was given that cannot be read, or is not of this network.
    """
    name = TIMM_NAMES[backbone]
    model: Any = None
    start = "trained from scratch"
    if pretrained == HUB:
        model, start = _from_hub(name)
    elif pretrained != SCRATCH:
        model, start = _from_file(backbone, Path(pretrained))
    log.info("%s: %s", backbone, start)
    built: Any = timm.create_model(name) if model is None else model
    built.reset_classifier(0)
    features = Features(built, reduce)
    return StartedBackbone(features, built.num_features, model is not None, start)


def _from_hub(name: str) -> tuple[Any, str]:
    try:
        return timm.create_model(name, pretrained=True), "started from timm's ImageNet weights"
    except _LOADING_ERRORS as error:
        log.warning(
            "ImageNet weights cannot be loaded from the hub (%s): training from scratch; give "
            "a file of them by --pretrained FILE where there is one",
            _first_line(error),
        )
    return None, "trained from scratch: no ImageNet weights could be loaded"


def _from_file(backbone: Backbone, path: Path) -> tuple[Any, str]:
    if not path.is_file():
        raise OptionError(
            f"--pretrained {path}: no such file; give timm's weights of {backbone}, or 'hub', "
            "or 'none'"
        )
    try:
        # With timm's own number of classes every weight of the file must find its place.
        model = timm.create_model(
            TIMM_NAMES[backbone], pretrained=True, pretrained_cfg_overlay={"file": str(path)}
        )
    except _LOADING_ERRORS as error:
        raise OptionError(
            f"--pretrained {path}: cannot be loaded as timm's weights of {backbone} "
            f"({_first_line(error)})"
        ) from None
    return model, f"started from the ImageNet weights in {path.name}"


def _first_line(error: Exception) -> str:
    """What an exception says, without the pages that some add."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
