"""How near the base models' muscles come to those of people, their levers, and their sources.

    python benchmarks/base_muscles.py [--docs]

At each disc, in its own plane and of the right side: the area of the fascicles that cross, their
centroid before and beside the middle of the disc (in brackets: in people who lie,
``reference_sections``), and the mean flexion lever of all that act there, upright and bent.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from marked_page import print_or_fill, table

from openlumbar.mechanics.base import base_model
from openlumbar.mechanics.fascicles import Section, reference_sections
from openlumbar.mechanics.kinematics import place
from openlumbar.mechanics.model import LUMBAR_JOINTS, Model, Posture
from openlumbar.mechanics.sections import GROUPS, SIDES, crossing, disc_planes
from openlumbar.mechanics.statics import statics

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "spinal-model.md"
DATA = resources.files("openlumbar.mechanics") / "data"
#: 35 degrees between thorax and pelvis, and the pelvis by 25.
BENT = Posture(
    pelvis_flexion_deg=25.0,
    joints_deg={
        joint: (degrees, 0.0, 0.0)
        for joint, degrees in zip(LUMBAR_JOINTS, (4, 5, 6, 6, 7, 7), strict=True)
    },
)


def levers_cm(model: Model, posture: Posture) -> dict[tuple[str, str], float]:
    """Mean flexion lever by group and joint, right side, weighted by area."""
    found = statics(model, posture)
    levers = -100 * np.einsum("jc,jcm->jm", found.axes[:, 2], found.arms_m)
    areas = np.array([muscle.area_cm2 for muscle in model.muscles])
    means = {}
    for group in GROUPS:
        member = np.array([m.group == group and m.side == "right" for m in model.muscles])
        for joint, lever in zip(found.joints, levers, strict=True):
            acting = member & (lever != 0)
            if acting.any():
                means[group, joint] = float(np.average(lever[acting], weights=areas[acting]))
    return means


def _beside(value: float, digits: int, real: float | None) -> str:
    """A value of the model and, in brackets, that of people; a dash where nothing crosses."""
    shown = "–" if np.isnan(value) or value == 0 else f"{value:.{digits}f}"
    return shown if real is None else f"{shown} ({real:.{digits}f})"


def _places(area_cm2: float, offset_mm: np.ndarray, real: Section | None) -> list[str]:
    of_people = (real.area_cm2, real.forward_mm, real.right_mm) if real else (None, None, None)
    values = (area_cm2, offset_mm[0], offset_mm[2])
    return [_beside(*each) for each in zip(values, (1, 0, 0), of_people, strict=True)]


def _columns(model: Model) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """By group and joint: area and centroid, levers upright and bent."""
    poses = place(model, Posture())
    found = crossing(model, poses, disc_planes(model, poses))
    people = reference_sections(model.sex)
    upright, bent = levers_cm(model, Posture()), levers_cm(model, BENT)
    for (group, joint), lever in upright.items():
        at = GROUPS.index(group), SIDES.index("right"), list(LUMBAR_JOINTS).index(joint)
        real = people.get(group, {}).get(joint)
        shown = _places(found.area_cm2[at], 1000 * found.offset_m[at], real)
        yield (group, joint), [*shown, f"{lever:.1f}", f"{bent[group, joint]:.1f}"]


def muscles() -> str:
    """The man's muscles at each disc, and the woman's areas and levers."""
    man, woman = (dict(_columns(base_model(sex))) for sex in "MF")
    names = ("area, cm²", "forward, mm", "right, mm", "lever, cm", "lever bent, cm")
    rows = [
        [group, LUMBAR_JOINTS[joint], *shown, woman[group, joint][0], woman[group, joint][3]]
        for (group, joint), shown in man.items()
    ]
    head = ["muscle", "disc", *(f"man: {name}" for name in names)]
    return table([*head, f"woman: {names[0]}", f"woman: {names[3]}"], rows)


def parts() -> str:
    """What the fascicles of each part rest on."""
    known = tomllib.loads((DATA / "fascicles.toml").read_text("utf-8"))
    number = [fascicle["part"] for fascicle in known["fascicles"]]
    rows = [
        [
            name.replace("_", " "),
            part["group"],
            str(number.count(name)),
            f"{part['fibre_share']:.2f}",
            f"{part['pennation_deg']:.0f}°",
            f"`{part['attachments']}`, `{part['areas']}`, `{part['fibres']}`",
            part["reasoning"],
        ]
        for name, part in known["parts"].items()
    ]
    head = ["part", "group", "fascicles a side", "fibre share", "pennation"]
    return table([*head, "attachments, areas, fibres after", "why"], rows)


def sources() -> str:
    """What the keys mean."""
    known = tomllib.loads((DATA / "muscle_sources.toml").read_text("utf-8"))
    rows = [
        [
            f"`{key}`",
            f"[{of['citation']}]({of['url']})" if of["url"] else of["citation"],
            of["read"],
        ]
        for key, of in sorted(known.items())
    ]
    return table(["key", "source", "what of it was read"], rows)


SECTIONS: dict[str, Callable[[], str]] = {
    "muscles": muscles,
    "muscle-parts": parts,
    "muscle-sources": sources,
}


if __name__ == "__main__":
    print_or_fill(__doc__, PAGE, SECTIONS)
