"""All fascicles at once: their points flat, in their bodies and in ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from openlumbar.mechanics.model import Array, Muscle

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Strings:
    """Points of all fascicles, fascicle after fascicle, each in the frame of its body.

    Attributes
    ----------
    points_m
        ``[P, 3]``.
    names
        Of the bodies that any point is fixed to.
    body
        ``[P]``: index in ``names``.
    muscle
        ``[P]``: index of the fascicle.
    starts
        ``[M]``: index of each fascicle's first point.
    """

    points_m: Array
    names: tuple[str, ...]
    body: Indices
    muscle: Indices
    starts: Indices

    def placed(self, poses: Mapping[str, Array]) -> Paths:
        """Put them into ground, with bodies placed by ``[4, 4]``."""
        held = np.stack([poses[name] for name in self.names])[self.body]
        points = np.einsum("pij,pj->pi", held[:, :3, :3], self.points_m) + held[:, :3, 3]
        return Paths(points, self.muscle, self.starts)

    def split(self, values: Array) -> list[Array]:
        """Values ``[P, …]`` of the points, fascicle by fascicle."""
        return np.split(values, self.starts[1:])


@dataclass(frozen=True, eq=False)
class Paths:
    """The same in ground.

    Attributes
    ----------
    points_m
        ``[P, 3]``.
    muscle, starts
        As of :class:`Strings`.
    """

    points_m: Array
    muscle: Indices
    starts: Indices

    @cached_property
    def firsts(self) -> Indices:
        """``[P - M]``: indices of all points but the last of each fascicle."""
        return np.flatnonzero(self.muscle[:-1] == self.muscle[1:])

    @cached_property
    def lengths_m(self) -> Array:
        """``[M]``."""
        steps = self.points_m[self.firsts + 1] - self.points_m[self.firsts]
        lengths = np.sqrt(np.einsum("pc,pc->p", steps, steps))
        return np.asarray(np.bincount(self.muscle[self.firsts], lengths, len(self.starts)), float)

    def moved(self, by_m: Array) -> Paths:
        """The same with points ``[P, 3]`` added."""
        return Paths(self.points_m + by_m, self.muscle, self.starts)


def strings_of(muscles: Sequence[Muscle]) -> Strings:
    """Lay the points of fascicles, one at least, in a row."""
    names = dict.fromkeys(body for muscle in muscles for body in muscle.bodies)
    index = {name: n for n, name in enumerate(names)}
    counts = np.array([len(muscle.bodies) for muscle in muscles])
    return Strings(
        points_m=np.concatenate([muscle.points_m for muscle in muscles]),
        names=tuple(index),
        body=np.array([index[body] for muscle in muscles for body in muscle.bodies]),
        muscle=np.repeat(np.arange(len(counts)), counts),
        starts=np.cumsum(counts) - counts,
    )
