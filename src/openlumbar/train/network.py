"""The sagittal network: a 2-D U-Net that works on pixel-unshuffled input.

Folding 2 x 2 pixels into channels before the first convolution halves every
feature map, which on a CPU costs a quarter of the time, and the unfolding of the
last layer keeps the output at full resolution (design.md, section 6).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def _double_convolution(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class FoldedUNet(nn.Module):
    """U-Net on space-to-depth input, logits at the input's own resolution.

    Parameters
    ----------
    channels_in
        Input channels; three for the sagittal model (the slice and its two
        neighbours).
    classes
        Number of output classes, background included.
    widths
        Feature channels from the finest (already folded) to the coarsest scale.
    fold
        Side of the pixel block folded into channels.
    """

    def __init__(
        self,
        channels_in: int = 3,
        classes: int = 8,
        widths: Sequence[int] = (32, 64, 128, 192, 256),
        fold: int = 2,
    ) -> None:
        super().__init__()
        self.fold = fold
        inputs = (channels_in * fold * fold, *widths[:-1])
        self.down = nn.ModuleList(
            _double_convolution(i, o) for i, o in zip(inputs, widths, strict=True)
        )
        self.up = nn.ModuleList(
            _double_convolution(fine + coarse, fine) for fine, coarse in itertools.pairwise(widths)
        )
        self.head = nn.Conv2d(widths[0], classes * fold * fold, 1)

    @property
    def divisor(self) -> int:
        """Rows and columns of the input must be multiples of this number."""
        return self.fold * 2 ** (len(self.down) - 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map ``[batch, channels, rows, columns]`` to class logits of the same grid."""
        features = functional.pixel_unshuffle(image, self.fold)
        skips = []
        for block in self.down[:-1]:
            features = block(features)
            skips.append(features)
            features = functional.max_pool2d(features, 2)
        features = self.down[-1](features)
        for block, skip in zip(reversed(self.up), reversed(skips), strict=True):
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = block(torch.cat([features, skip], dim=1))
        return functional.pixel_shuffle(self.head(features), self.fold)
