"""Geometry that an OpenSim model carries itself: no files of meshes stand beside it.

A vertebra is a cylinder between the middles of its endplates, as large across as its body is
wide and deep, with its spinous process as a spindle. Every other body is the ellipsoid of even
density that has its mass, mass centre and inertia: what is seen is what is computed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from openlumbar.mechanics.model import Array, Body, Model, VertebraShape
from openlumbar.mechanics.osim_api import opensim, orientation, vector

Colour = tuple[float, float, float]

_BONE: Colour = (0.93, 0.89, 0.78)
_SOFT: Colour = (0.72, 0.74, 0.78)
_IRON: Colour = (0.25, 0.27, 0.30)
_SOFT_OPACITY = 0.35
#: No semi-axis is drawn shorter.
_THINNEST_M = 0.005
#: Half the thickness of a spinous process, drawn.
_SPINOUS_M = 0.005


def dress(bodies: Mapping[str, Any], model: Model) -> None:
    """Attach geometry to the bodies of an OpenSim model, by name."""
    for name, body in model.bodies.items():
        if name in model.shapes:
            _vertebra(bodies[name], model.shapes[name])
        elif body.mass_kg > 0:
            _ellipsoid(bodies[name], body)


def ball(body: Any, radius_m: float) -> None:
    """A held mass."""
    _attach(body, opensim().Sphere(float(radius_m)), _IRON, 1.0)


def equivalent_radii(body: Body) -> tuple[Array, Array]:
    """Semi-axes ``[3]`` of the even ellipsoid with a body's inertia, and its axes (columns)."""
    moments, axes = np.linalg.eigh(body.inertia_kgm2)
    if np.linalg.det(axes) < 0:
        axes[:, 0] *= -1
    squares = 2.5 / body.mass_kg * (moments.sum() - 2 * moments)
    return np.sqrt(np.maximum(squares, _THINNEST_M**2)), axes


def _ellipsoid(made: Any, body: Body) -> None:
    radii, axes = equivalent_radii(body)
    geometry = opensim().Ellipsoid(*(float(radius) for radius in radii))
    frame = _offset(made, "outline", body.mass_centre_m, axes)
    _attach(frame, geometry, _SOFT, _SOFT_OPACITY)


def _vertebra(made: Any, shape: VertebraShape) -> None:
    along = shape.upper_m - shape.lower_m
    height = float(np.linalg.norm(along))
    centre = (shape.upper_m + shape.lower_m) / 2
    # A cylinder of OpenSim is round: the mean keeps the area of the endplates.
    radius = float(np.sqrt(shape.depth_m * shape.width_m)) / 2
    frame = _offset(made, "vertebral_body", centre, _upright(along / height))
    _attach(frame, opensim().Cylinder(radius, height / 2), _BONE, 1.0)
    _spinous(made, shape, centre)


def _spinous(made: Any, shape: VertebraShape, centre: Array) -> None:
    root = centre - np.array([shape.depth_m / 2, 0.0, 0.0])
    along = shape.spinous_tip_m - root
    length = float(np.linalg.norm(along))
    if length < 2 * _SPINOUS_M:
        return
    middle = (root + shape.spinous_tip_m) / 2
    frame = _offset(made, "spinous_process", middle, _upright(along / length))
    spindle = opensim().Ellipsoid(_SPINOUS_M, length / 2, _SPINOUS_M)
    _attach(frame, spindle, _BONE, 1.0)


def _upright(axis: Array) -> Array:
    """Axes (columns) whose y is ``axis``."""
    return Rotation.align_vectors([axis], [[0.0, 1.0, 0.0]])[0].as_matrix()


def _offset(made: Any, name: str, place: Array, axes: Array) -> Any:
    frame = opensim().PhysicalOffsetFrame()
    frame.setName(name)
    frame.setParentFrame(made)
    frame.set_translation(vector(place))
    frame.set_orientation(orientation(axes))
    made.addComponent(frame)
    return frame


def _attach(frame: Any, geometry: Any, colour: Colour, opacity: float) -> None:
    geometry.setColor(vector(np.array(colour)))
    geometry.setOpacity(opacity)
    frame.attachGeometry(geometry)
