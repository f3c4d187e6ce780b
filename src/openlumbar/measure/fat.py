"""Fat within a muscle, from how bright its voxels are (design.md, section 4).

All functions take voxels on the *fat scale*: 0 is the brightness of clean muscle there, 1 that
of pure fat, and in between stands the part of fat that a voxel holds. Noise and other tissue
lie beyond either end. It is a fraction of area, not of protons: nothing here knows T1 and T2
of the water that fat came with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: The anchors weigh as much as this many times the muscle's voxels in k-means.
ANCHOR_WEIGHT = 1.0
#: Voxels beyond the anchors by more than this many deviations of the noise are cut there.
CLIP_SD = 3.0
#: Bins of the histograms, over this range of the fat scale.
BINS, RANGE = 96, (-0.75, 1.75)
#: Least width of a normal distribution, on the fat scale.
LEAST_WIDTH = 0.02
#: Rounds of expectation-maximisation at most.
MOST_ROUNDS = 80
#: Clusters nearer to each other than this part of the way from muscle to fat are one. Ours.
LEAST_DISTANCE = 0.45
#: Ashman's D from which two normal distributions are told apart (Ashman, Bird and Zepf 1994).
LEAST_D = 2.0


@dataclass(frozen=True)
class Clusters:
    """Two clusters of voxels.

    Attributes
    ----------
    fraction
        Part of the voxels in the brighter one, 0 … 1.
    lower, upper
        Their means on the fat scale.
    spread
        Standard deviation within them.
    """

    fraction: float
    lower: float
    upper: float
    spread: float

    @property
    def separated(self) -> bool:
        """Whether they stand apart, and as far as muscle and fat do."""
        apart = self.upper - self.lower
        d = np.inf if self.spread <= 0 else apart / self.spread
        return bool(apart >= LEAST_DISTANCE and d >= LEAST_D)


def k_means(voxels: Floats, weight: float = ANCHOR_WEIGHT) -> Clusters:
    """Two means, started from clean muscle and pure fat, and held by them.

    Parameters
    ----------
    voxels
        ``[n]`` on the fat scale.
    weight
        Of the anchors, each as many times the number of voxels: with scarce fat both means
        would else end within muscle. 0 is k-means as in the textbook.
    """
    held = weight * len(voxels)
    ordered = np.sort(voxels)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    lower, upper, count = 0.0, 1.0, -1
    for _ in range(100):
        below = int(np.searchsorted(ordered, (lower + upper) / 2, side="right"))
        if below == count:
            break
        count, above = below, len(voxels) - below
        lower = sums[below] / (below + held) if below + held else lower
        upper = (sums[-1] - sums[below] + held) / (above + held) if above + held else upper
    return _clusters(ordered, count, lower, upper)


def otsu(voxels: Floats) -> Clusters:
    """Two clusters by Otsu's threshold: the largest variance between them."""
    ordered = np.sort(voxels)
    count = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    lower, upper = sums[:-1] / count, (sums[-1] - sums[:-1]) / (len(ordered) - count)
    between = count * (len(ordered) - count) * (upper - lower) ** 2
    best = int(between.argmax())
    return _clusters(ordered, best + 1, lower[best], upper[best])


def _clusters(ordered: Floats, below: int, lower: float, upper: float) -> Clusters:
    parts = [part for part in (ordered[:below], ordered[below:]) if len(part)]
    within = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    spread = float(np.sqrt(within / len(ordered)))
    return Clusters(1 - below / len(ordered), float(lower), float(upper), spread)


def mixture(voxels: Floats) -> Clusters:
    """Two normal distributions of one common width, by expectation-maximisation.

    The fraction is the weight of the brighter one. Started from clean muscle and pure fat.
    With a width of its own the brighter one would grow over all that is not clean muscle.
    """
    counts, edges = np.histogram(np.clip(voxels, *RANGE), BINS, RANGE)
    x, n = (edges[:-1] + edges[1:]) / 2, counts / max(len(voxels), 1)
    mean, sd, part = np.array([0.0, 1.0]), 0.2, np.array([0.5, 0.5])
    for _ in range(MOST_ROUNDS):
        density = part * np.exp(-0.5 * ((x[:, None] - mean) / sd) ** 2) + 1e-300
        member = n[:, None] * density / density.sum(1, keepdims=True)
        part = np.maximum(member.sum(0), 1e-9)
        moved = (member * x[:, None]).sum(0) / part
        sd = max(float(np.sqrt((member * (x[:, None] - moved) ** 2).sum())), LEAST_WIDTH)
        mean, done = moved, bool(np.abs(moved - mean).max() < 1e-3)
        if done:
            break
    order = np.argsort(mean)
    lower, upper = mean[order]
    return Clusters(float(part[order[1]]), float(lower), float(upper), sd)


def partial_volume(voxels: Floats, noise: float) -> float:
    """Mean part of fat, 0 … 1.

    The noise is not cut off voxel by voxel: a clean muscle would gain by it. Only what lies
    further beyond the anchors than noise can carry it (vessels, fascia) is.

    Parameters
    ----------
    voxels
        ``[n]`` on the fat scale.
    noise
        Standard deviation of clean muscle on that scale.
    """
    reach = CLIP_SD * noise
    return float(np.clip(np.clip(voxels, -reach, 1 + reach).mean(), 0, 1))
