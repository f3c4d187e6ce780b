"""Loads across discs and on vertebrae, from a solved posture.

Cut the body at a disc. On the upper part act the weight of all that the joint carries (and what
is held and pushed), the pulls of the muscles that cross the cut, and the force with which the
lower part holds it up; they sum to nil. So the force with which the upper part bears on the lower
one is weight plus the muscles' net pull. A muscle that lies wholly above or below adds nothing.
"""

from __future__ import annotations

import numpy as np

from openlumbar.mechanics.model import Array, Statics
from openlumbar.mechanics.solve import Solution

# Compression is positive where it presses down the axis, which points up.
_SIGNS = np.array([1.0, -1.0, 1.0])


def joint_forces(statics: Statics, solution: Solution) -> Array:
    """Force of what lies above each joint on what lies below, ``[J, 3]`` N, axes of ground."""
    return statics.force_n + statics.lines @ (solution.activation * statics.strength_n)


def joint_loads(statics: Statics, solution: Solution) -> Array:
    """Force across each disc, along the disc's own axes.

    Returns
    -------
    ``[J, 3]`` N: anterior shear, compression, lateral shear (to the right), of what lies above
    on what lies below; joints as in ``statics``.
    """
    return _along(statics.axes, joint_forces(statics, solution))


def vertebra_loads(statics: Statics, solution: Solution) -> Array:
    """Force that the joint above puts on each vertebra, along the vertebra's own axes.

    Returns
    -------
    ``[V, 3]`` N: anterior shear, compression, lateral shear (to the right); vertebrae as in
    ``statics``.
    """
    forces = joint_forces(statics, solution)[list(statics.vertebra_joint)]
    return _along(statics.vertebra_axes, forces)


def _along(axes: Array, forces: Array) -> Array:
    return _SIGNS * np.einsum("jab,jb->ja", axes, forces)
