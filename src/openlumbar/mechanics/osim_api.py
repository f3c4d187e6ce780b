"""The one door to OpenSim: imported late, kept silent, its errors translated."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from openlumbar.core.errors import InputError
from openlumbar.mechanics.model import Array

_WHEELS = "Linux on x86-64, macOS and Windows with Python 3.11 to 3.13"


@cache
def unavailable() -> str:
    """Why OpenSim cannot be used here, in one sentence; empty where it can."""
    if importlib.util.find_spec("opensim") is None:
        return (
            f"OpenSim is not installed; there are packages of it for {_WHEELS}: pip install opensim"
        )
    try:
        importlib.import_module("opensim")
    except (ImportError, OSError, AttributeError) as error:
        return f"OpenSim is installed but does not load ({error}); install it anew"
    return ""


@cache
def opensim() -> Any:
    """The module ``opensim``, silent: it would log to the terminal and to the working folder.

    Raises
    ------
    InputError
        It is not there; :func:`unavailable` says why.
    """
    if reason := unavailable():
        raise InputError(reason)
    module = importlib.import_module("opensim")
    module.Logger.setLevelString("Off")
    module.Logger.removeFileSink()
    return module


@contextmanager
def translated(what: str, error: type[InputError] = InputError) -> Iterator[None]:
    """Turn what OpenSim throws into ``error``, with ``what`` it was about.

    OpenSim throws ``RuntimeError`` whose text begins with the signature of its own function and
    ends with the place in its source; the reason between them is kept.
    """
    try:
        yield
    except RuntimeError as thrown:
        text = re.split(r"Thrown at|In Component", str(thrown).partition("': ")[2] or str(thrown))
        reason = " ".join(text[0].split())
        raise error(f"{what}: OpenSim refuses it: {reason[:300]}") from thrown


def adopted(add: Callable[[Any], Any], made: Any) -> None:
    """Give an object to a model.

    OpenSim's own way to do so leaves it with two owners where the model refuses it, and the
    process ends when both let go of it.
    """
    made.thisown = False
    add(made)


def vector(values: Array) -> Any:
    """``[3]`` as OpenSim has it."""
    return opensim().Vec3(*(float(value) for value in values))


def orientation(turn: Array) -> Any:
    """``[3, 3]`` as OpenSim has it in its files: body-fixed angles about x, y and z, radians."""
    middle = float(np.arcsin(np.clip(turn[0, 2], -1.0, 1.0)))
    if abs(turn[0, 2]) > 1.0 - 1e-12:  # first and last turn about one line: all goes to the first
        return vector(np.array([np.arctan2(turn[2, 1], turn[1, 1]), middle, 0.0]))
    first, last = np.arctan2(-turn[1, 2], turn[2, 2]), np.arctan2(-turn[0, 1], turn[0, 0])
    return vector(np.array([first, middle, last]))


def pose_in_ground(frame: Any, state: Any) -> Array:
    """``[4, 4]`` from an OpenSim frame to ground, of a state whose positions are realised."""
    transform = frame.getTransformInGround(state)
    turn = transform.R()
    pose = np.eye(4)
    pose[:3, :3] = [[turn.get(row, column) for column in range(3)] for row in range(3)]
    pose[:3, 3] = transform.p().to_numpy()
    return pose


def members(collection: Any) -> list[Any]:
    """What a set of OpenSim holds, in its order."""
    return [collection.get(i) for i in range(collection.getSize())]
