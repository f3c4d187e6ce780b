"""What every drawing of a slice has: the image itself and the outline of a structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from contourpy import LineType, contour_generator
from numpy.typing import NDArray
from scipy import ndimage

from openlumbar.report.view import SliceView


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
    """

    colour: str
    line: float
    fill: float = 0.0


def extent_mm(view: SliceView) -> tuple[float, float, float, float]:
    """Left, right, bottom, top in millimetres from the upper left corner."""
    rows, columns = view.labels.shape
    return 0, columns * view.spacing_mm[1], rows * view.spacing_mm[0], 0


def grey_levels(image: NDArray) -> NDArray[np.uint8]:
    """Intensities as grey levels; what is not finite is black."""
    finite = image[np.isfinite(image)]
    # The brightest fiftieth is fluid: letting it saturate brings out bone and discs.
    low, high = np.percentile(finite, (1, 98)) if finite.size else (0.0, 1.0)
    shares = (np.nan_to_num(image, nan=low) - low) / max(high - low, 1e-6)
    return np.rint(255 * shares.clip(0.0, 1.0)).astype(np.uint8)


def draw_image(axes: Any, view: SliceView) -> None:
    """Draw the slice in grey, in millimetres from its upper left corner."""
    axes.imshow(
        grey_levels(view.image),
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=extent_mm(view),
        interpolation="bicubic",
    )
    axes.set_axis_off()


def outline_mm(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> list[NDArray[np.float64]]:
    """Edge of ``mask[row, column]``, half a pixel inside its staircase, so that it looks smooth.

    Returns
    -------
    list of ndarray
        Closed lines ``[n, 2]`` of (y, x), millimetres from the picture's corner; none for a
        few pixels, of which no line could be drawn.
    """
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return []
    # Two pixels of nothing on each side: the line closes, and the blur loses nothing.
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    smooth = ndimage.gaussian_filter(np.pad(box, 2).astype(np.float32), 0.7)
    corner = np.array((rows[0], columns[0])) - 2
    lines = contour_generator(z=smooth, line_type=LineType.Separate).lines(0.5)
    return [(np.asarray(line)[:, ::-1] + corner + 0.5) * spacing_mm for line in lines]


def draw_region(
    axes: Any, mask: NDArray[np.bool_], spacing_mm: tuple[float, float], look: Look
) -> None:
    """Draw the outline of ``mask[row, column]`` and tint what it encloses."""
    # matplotlib takes half a second to load: this and report/pictures.py are its one boundary.
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    rings = outline_mm(mask, spacing_mm)
    if rings:
        outline = Path.make_compound_path(*(Path(ring[:, ::-1], closed=True) for ring in rings))
        patch = PathPatch(
            outline, facecolor=(look.colour, look.fill), edgecolor=look.colour, linewidth=look.line
        )
        axes.add_artist(patch)  # add_patch would weigh every curve for limits that we set
