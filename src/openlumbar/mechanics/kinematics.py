"""Where the bodies of a model are in a posture.

A joint turns by three angles about body-fixed axes, one after the other: flexion about the
joint's z (forward positive, so it is a negative turn about z), lateral bending about the x that
flexion has moved (to the right positive), axial rotation about the y that both have moved (to
the left positive). OpenSim has the same as a custom joint whose axes are ``0 0 -1``, ``1 0 0``
and ``0 1 0`` in this order.
"""

from __future__ import annotations

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.mechanics.model import ROOT, Array, Joint, Model, Posture

Angles = tuple[float, float, float]
REST: Angles = (0.0, 0.0, 0.0)


def rotation(angles_deg: Angles) -> Array:
    """Turn of a joint's child in its parent.

    Parameters
    ----------
    angles_deg
        ``(flexion, lateral bending, axial rotation)``; forward, to the right, and turning to
        the left are positive.

    Returns
    -------
    ``[3, 3]``, from the joint's frame in the child to that in the parent.

    Examples
    --------
    >>> up = rotation((90.0, 0.0, 0.0)) @ [0.0, 1.0, 0.0]  # bent forward, up points ahead
    >>> up.round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    flexion, lateral, axial = np.radians(angles_deg)
    return _about_z(-flexion) @ _about_x(lateral) @ _about_y(axial)


def angles(turn: Array) -> Angles:
    """Degrees of flexion, lateral bending and axial rotation that make a ``[3, 3]`` turn.

    The inverse of :func:`rotation`, for lateral bending within ±90°.
    """
    lateral = np.arcsin(np.clip(turn[2, 1], -1, 1))
    flexion = np.arctan2(turn[0, 1], turn[1, 1])
    axial = np.arctan2(-turn[2, 0], turn[2, 2])
    return float(np.degrees(flexion)), float(np.degrees(lateral)), float(np.degrees(axial))


def coordinate_axes(angles_deg: Angles) -> Array:
    """Axes about which the three angles of a joint turn it, when it is turned already.

    Returns
    -------
    ``[3, 3]``, a row for each angle, in the joint's frame in the parent. They are the axes of
    OpenSim's coordinates, and square to each other only where lateral bending is nil.
    """
    flexion, lateral, _ = np.radians(angles_deg)
    flexed = _about_z(-flexion)
    return np.stack([[0.0, 0.0, -1.0], flexed[:, 0], (flexed @ _about_x(lateral))[:, 1]])


def place(model: Model, posture: Posture) -> dict[str, Array]:
    """Where each body is.

    The pelvis turns about the z axis of ground, through its own origin. A joint that carries a
    leg (held, and on the pelvis) turns back by as much where the posture does not name it:
    thighs stay as they are in upright standing.

    Parameters
    ----------
    posture
        Names joints of the model alone.

    Returns
    -------
    ``[4, 4]`` from each body's frame to ground, metres, by the body's name.

    Raises
    ------
    InputError
        The posture names a joint that the model does not have, or bends one to its side by 90°
        or more, where the angles lose their meaning.
    """
    _check(model, posture)
    placed = {ROOT: _pelvis(posture)}
    for joint in model.joints:
        here = placed[joint.parent] @ joint.in_parent
        here[:3, :3] = here[:3, :3] @ _turn(joint, posture)
        placed[joint.child] = here @ inverse(joint.in_child)
    return placed


def joint_angles(model: Model, posture: Posture) -> dict[str, Angles]:
    """Angles of every joint in a posture, those that :func:`place` gives the hips included."""
    return {joint.name: angles(_turn(joint, posture)) for joint in model.joints}


def inverse(pose: Array) -> Array:
    """Inverse of a rigid ``[4, 4]``."""
    back = np.eye(4)
    back[:3, :3] = pose[:3, :3].T
    back[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return back


def _turn(joint: Joint, posture: Posture) -> Array:
    if joint.name not in posture.joints_deg and joint.parent == ROOT and not joint.free:
        frame = joint.in_parent[:3, :3]
        return frame.T @ _pelvis(posture)[:3, :3].T @ frame
    return rotation(posture.joints_deg.get(joint.name, REST))


def _pelvis(posture: Posture) -> Array:
    pose = np.eye(4)
    pose[:3, :3] = rotation((posture.pelvis_flexion_deg, 0.0, 0.0))
    return pose


def _check(model: Model, posture: Posture) -> None:
    known = {joint.name for joint in model.joints}
    for name, (_, lateral, _) in posture.joints_deg.items():
        if name not in known:
            raise InputError(
                f"the posture turns {name!r}, which the model {model.name!r} does not have; "
                f"it has {', '.join(sorted(known))}"
            )
        if abs(lateral) >= 90:
            raise InputError(
                f"the posture bends {name} {lateral:g}° to its side; less than 90° is expected"
            )


def _about_x(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_z(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
