"""Seconds and peak memory of our segmentation beside a standard nnU-Net's forward pass.

    python benchmarks/segmentation.py

Both see one volume of 20 sagittal slices of 448 x 448 pixels, 3.3 x 0.625 x 0.625 mm, on
the same machine, one after the other, each in a process of its own so that the peak
memory is its own. Needs the extra ``train`` for torch.

The nnU-Net is the plain-convolution 3d_fullres network with random weights: speed does
not depend on them. Its configuration is what nnU-Net v2's default planner derives for
this spacing and shape with its 8 GB target; it is written out below. Counted are its
forward passes alone: one a sliding-window tile with a step of half a patch, no mirroring
(nnU-Net's default is eight mirrored passes a tile), no resampling, no export. Ours is
counted whole: preparation, network, resampling back.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from openlumbar.core.run import peak_memory_mb

SHAPE = (20, 448, 448)
SPACING_MM = (3.3, 0.625, 0.625)


@dataclass(frozen=True)
class NnUnet:
    """nnU-Net v2, 3d_fullres, PlainConvUNet, as planned for SHAPE and SPACING_MM."""

    patch: tuple[int, int, int] = (16, 320, 320)
    features: tuple[int, ...] = (32, 64, 128, 256, 320, 320, 320)
    strides: tuple[tuple[int, int, int], ...] = (
        (1, 1, 1),
        (1, 2, 2),
        (1, 2, 2),
        (2, 2, 2),
        (2, 2, 2),
        (1, 2, 2),
        (1, 2, 2),
    )
    kernels: tuple[tuple[int, int, int], ...] = (
        (1, 3, 3),
        (1, 3, 3),
        (3, 3, 3),
        (3, 3, 3),
        (3, 3, 3),
        (3, 3, 3),
        (3, 3, 3),
    )
    classes: int = 4  # background, vertebra, disc, canal
    step: float = 0.5


def image() -> np.ndarray:
    return np.random.default_rng(0).normal(500, 100, SHAPE).astype(np.float32)


def run_openlumbar(repeats: int) -> dict[str, float]:
    from openlumbar.core.exam import Block, Series, Weighting
    from openlumbar.core.plane import Plane
    from openlumbar.core.volume import Volume
    from openlumbar.models import load_model
    from openlumbar.segment import segment_sagittal

    slices, rows, columns = SPACING_MM
    # i to the back, j to the feet, k to the left.
    affine = np.array([[0, 0, slices, 0], [columns, 0, 0, 0], [0, -rows, 0, 0], [0, 0, 0, 1.0]])
    block = Block(Volume(image(), affine), tuple(str(k) for k in range(SHAPE[0])))
    series = Series("benchmark", Plane.SAGITTAL, Weighting.T2, (block,), "nifti")
    predictor = load_model("sagittal")
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        segment_sagittal(series, predictor)
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "passes": SHAPE[0], "peak_mb": peak_memory_mb()}


def build_nnunet(plan: NnUnet):
    import torch
    from torch import nn

    def block(into: int, out: int, kernel, stride) -> nn.Sequential:
        def convolution(channels: int, step) -> list[nn.Module]:
            padding = tuple(k // 2 for k in kernel)
            return [
                nn.Conv3d(channels, out, kernel, step, padding),
                nn.InstanceNorm3d(out, eps=1e-5, affine=True),
                nn.LeakyReLU(0.01, inplace=True),
            ]

        return nn.Sequential(*convolution(into, stride), *convolution(out, 1))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = (1, *plan.features)
            stages = zip(sizes, plan.features, plan.kernels, plan.strides, strict=False)
            self.encoder = nn.ModuleList(block(*stage) for stage in stages)
            self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
            for fine in reversed(range(len(plan.features) - 1)):
                into, out, stride = (
                    plan.features[fine + 1],
                    plan.features[fine],
                    plan.strides[fine + 1],
                )
                self.up.append(nn.ConvTranspose3d(into, out, stride, stride))
                self.decoder.append(block(2 * out, out, plan.kernels[fine], 1))
            self.head = nn.Conv3d(plan.features[0], plan.classes, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            skips = []
            for stage in self.encoder:
                x = stage(x)
                skips.append(x)
            for up, decoder, skip in zip(self.up, self.decoder, skips[-2::-1], strict=True):
                x = decoder(torch.cat((up(x), skip), 1))
            return self.head(x)

    return Network().eval()


def tile_starts(plan: NnUnet, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Corners of the sliding window's tiles, spread evenly, at most half a patch apart."""
    axes = []
    for size, patch in zip(shape, plan.patch, strict=True):
        free = max(size - patch, 0)
        count = math.ceil(free / (patch * plan.step)) + 1
        axes.append([round(free * n / max(count - 1, 1)) for n in range(count)])
    return list(itertools.product(*axes))


def run_nnunet(plan: NnUnet) -> dict[str, float]:
    import torch

    network, volume = build_nnunet(plan), torch.from_numpy(image())[None, None]
    starts = tile_starts(plan, SHAPE)
    start = time.perf_counter()
    with torch.inference_mode():
        for corner in starts:
            window = tuple(slice(c, c + p) for c, p in zip(corner, plan.patch, strict=True))
            network(volume[(..., *window)])
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "passes": len(starts), "peak_mb": peak_memory_mb()}


def measure(part: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("openlumbar", "nnunet"), help="one side alone, as JSON")
    part = parser.parse_args().part
    if part:
        print(json.dumps(run_nnunet(NnUnet()) if part == "nnunet" else run_openlumbar(3)))
        return
    results = {part: measure(part) for part in ("openlumbar", "nnunet")}
    print(f"{'':12}{'seconds':>10}{'passes':>8}{'peak MB':>9}")
    for name, result in results.items():
        figures = (result["seconds"], result["passes"], result["peak_mb"])
        print("{:12}{:10.2f}{:8.0f}{:9.0f}".format(name, *figures))
    print(f"ratio {results['nnunet']['seconds'] / results['openlumbar']['seconds']:.1f}")


if __name__ == "__main__":
    main()
