"""What every drawing of a slice has: the image itself and the outline of a structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.report.view import SagittalView


@dataclass(frozen=True)
class Look:
    """How a region is drawn.

    Attributes
    ----------
    colour
        ``#rrggbb``.
    line
        Width of its outline, points.
    fill
        Opacity inside, 0 … 1.
    style
        Of the outline, as matplotlib names it.
    """

    colour: str
    line: float
    fill: float = 0.0
    style: str = "solid"


def extent_mm(view: SagittalView) -> tuple[float, float, float, float]:
    """Left, right, bottom, top in millimetres from the upper left corner."""
    rows, columns = view.labels.shape
    return 0, columns * view.spacing_mm[1], rows * view.spacing_mm[0], 0


def draw_image(axes: Any, view: SagittalView) -> None:
    """Draw the slice in grey, in millimetres from its upper left corner."""
    finite = view.image[np.isfinite(view.image)]
    # The brightest fiftieth is fluid: letting it saturate brings out bone and discs.
    low, high = np.percentile(finite, (1, 98)) if finite.size else (0.0, 1.0)
    axes.imshow(
        view.image,
        cmap="gray",
        vmin=low,
        vmax=max(high, low + 1e-6),
        extent=extent_mm(view),
        interpolation="bicubic",
    )
    axes.set_axis_off()


def draw_region(
    axes: Any, mask: NDArray[np.bool_], spacing_mm: tuple[float, float], look: Look
) -> None:
    """Outline ``mask[row, column]`` half a pixel inside its staircase, so that it looks smooth.

    A few pixels, of which no contour could be drawn, are left out.
    """
    y_mm, x_mm = spacing_mm
    smooth = ndimage.gaussian_filter(np.pad(mask, 1).astype(np.float32), 0.7)
    y = (np.arange(smooth.shape[0]) - 0.5) * y_mm
    x = (np.arange(smooth.shape[1]) - 0.5) * x_mm
    if smooth.max() <= 0.5:
        return
    if look.fill:
        axes.contourf(x, y, smooth, levels=(0.5, 2.0), colors=[look.colour], alpha=look.fill)
    axes.contour(
        x,
        y,
        smooth,
        levels=(0.5,),
        colors=[look.colour],
        linewidths=look.line,
        linestyles=look.style,
    )
