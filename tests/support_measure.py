"""Bodies, discs and canal of a phantom on any grid: the truth that measuring is checked on."""

from __future__ import annotations

import numpy as np

from openlumbar.core import anatomy as codes
from openlumbar.core.volume import Volume
from openlumbar.phantom import shapes
from openlumbar.phantom.anatomy import AnatomyRanges, sample_anatomy
from openlumbar.phantom.canvas import Canvas
from openlumbar.phantom.discs import disc_frame, disc_gaps, disc_inside
from openlumbar.phantom.geometry import Spine, place


def spine_of(seed: int, ranges: AnatomyRanges | None = None) -> Spine:
    return place(sample_anatomy(np.random.default_rng(seed), ranges))


def painted_masks(spine: Spine, grid: Volume) -> tuple[Volume, Volume]:
    """Labels (bodies, discs, canal) and bodies with S1, without the soft tissue of an exam."""
    labels, bodies = np.zeros(grid.shape, np.uint16), np.zeros(grid.shape, np.uint16)
    across, down, step = grid.affine[:3, 0], grid.affine[:3, 1], grid.affine[:3, 2]
    for k in range(grid.shape[0]):
        canvas = Canvas(grid.affine[:3, 3] + k * step, across, down, grid.shape[1:])
        _paint_canal(spine, canvas)
        for disc in spine.discs:
            _paint_disc(disc, canvas)
        labels[k] = canvas.code
        canvas.code[:] = 0
        for placed in spine.vertebrae:
            _paint_body(placed, canvas)
        bodies[k] = np.where(canvas.code == codes.vertebra_code("S2"), 0, canvas.code)
        labels[k] = np.where(canvas.code > 0, canvas.code, labels[k])
    return Volume(labels, grid.affine), Volume(bodies, grid.affine)


def _paint_canal(spine, canvas):
    profile = spine.profile
    row = profile.rows(canvas.z)
    dx = (canvas.x - profile.sac_x[row]) / np.maximum(profile.sac_half_width[row], 0.05)
    dy = (canvas.y - profile.sac_y[row]) * profile.sac_cos[row]
    depth = profile.sac_half_depth[row]
    inside = (depth > 0.8) & (dx**2 + (dy / np.maximum(depth, 0.05)) ** 2 < 1)
    canvas.code[inside] = codes.SPINAL_CANAL


def _paint_disc(disc, canvas):
    frame = disc_frame(disc)
    window = canvas.near(frame.centre, 45.0)
    if window is not None:
        gaps = disc_gaps(disc, canvas.points(window))
        inside = disc_inside(disc, frame, canvas.local(window, frame), gaps)
        canvas.code[window][inside] = codes.disc_code(disc.spec.name)


def _paint_body(placed, canvas):
    if placed.spec.name in ("S3", "S4", "S5"):
        return
    window = canvas.near(placed.centre, 45.0)
    if window is not None:
        whole = shapes.body(placed.spec, *canvas.local(window, placed)).whole
        canvas.code[window][whole < 0] = codes.vertebra_code(placed.spec.name)
