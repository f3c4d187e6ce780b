"""The benchmark's JSON as tables, and the page of the docs that holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accuracy.pairs import ON_PATIENTS, ON_PHANTOMS

from openlumbar.core.metrics import METRICS

#: What stands between these lines of a page is written by ``--docs``.
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

#: What is tabled of phantoms and of patients; ratios follow from these.
_LENGTHS = (
    "vertebra anterior_height_mm",
    "vertebra middle_height_mm",
    "vertebra posterior_height_mm",
    "disc height_mm",
    "disc bounding_height_mm",
    "disc anterior_distance_mm",
    "disc posterior_distance_mm",
    "disc listhesis_mm",
    "canal ap_diameter_mm",
)
_ANGLES = (
    "vertebra rotation_deg",
    "disc disc_angle_deg",
    "disc segmental_angle_deg",
    "spine lordosis_deg",
)

Table = Mapping[str, Mapping[str, Any]]


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(header), "|".join(["---"] * len(header)), *(" | ".join(r) for r in rows)]
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def _title(name: str) -> str:
    structure, metric = name.split()
    return f"{METRICS[structure, metric].title} ({structure})"


def _unit(name: str) -> str:
    structure, metric = name.split()
    return {"deg": "°"}.get(METRICS[structure, metric].unit, METRICS[structure, metric].unit)


def _on_phantoms(name: str, masks: str | None) -> float | None:
    if masks is None:
        return None
    structure, metric = name.split()
    return ON_PHANTOMS[masks].get(METRICS[structure, metric].unit)


def _verdict(target: float | None, mae: float | None) -> str:
    """The target, and a mark where it is missed."""
    if target is None or mae is None:
        return "–"
    return f"{target:g}" if mae <= target else f"**{target:g} missed**"


def errors_table(tables: Table, masks: str | None) -> str:
    """Errors on phantoms by metric, with the target if there is one."""
    header = ("metric", "n", "withheld", "MAE", "asked", "bias", "max", "≤ 1 SD", "≤ 2 SD")
    rows = []
    for name in (*_LENGTHS, *_ANGLES):
        if name not in tables:
            continue
        found = tables[name]
        rows.append(
            (
                _title(name),
                f"{found['compared']}",
                _percent(found["withheld"]),
                f"{_number(found.get('mae'))} {_unit(name)}",
                _verdict(_on_phantoms(name, masks), found.get("mae")),
                _number(found.get("bias")),
                _number(found.get("max")),
                _percent(found.get("within_1sd")),
                _percent(found.get("within_2sd")),
            )
        )
    return _rows(header, rows)


def patients_table(tables: Table, titles: Mapping[str, str] | None = None) -> str:
    """Errors on patients, with agreement."""
    header = (
        "metric", "compared", "withheld", "MAE", "asked", "bias ± SD", "limits of agreement",
        "max", "Pearson r", "≤ 2 SD",
    )  # fmt: skip
    rows = []
    for name, found in tables.items():
        if titles is None and name not in (*_LENGTHS, *_ANGLES):
            continue
        bias, spread = found.get("bias"), found.get("sd")
        limits = "–"
        if bias is not None and spread is not None:
            limits = f"{bias - 1.96 * spread:.2f} … {bias + 1.96 * spread:.2f}"
        rows.append(
            (
                titles[name] if titles else _title(name),
                f"{found['compared']} of {found['asked']}",
                _percent(found["withheld"]),
                f"{_number(found.get('mae'))} {'' if titles else _unit(name)}".strip(),
                _verdict(ON_PATIENTS.get(name), found.get("mae")),
                f"{_number(bias)} ± {_number(spread)}",
                limits,
                _number(found.get("max")),
                _number(found.get("pearson_r"), 3),
                _percent(found.get("within_2sd")),
            )
        )
    return _rows(header, rows)


def level_table(tables: Table) -> str:
    """One metric at each level."""
    return patients_table(tables, {level: level for level in tables})


def pixels_table(pixels: Mapping[str, Mapping[str, Table]]) -> str:
    """Mean absolute error by pixel size: true / predicted masks."""
    sizes = sorted(pixels, key=float)
    rows = []
    for name in (*_LENGTHS, *_ANGLES):
        cells = []
        for size in sizes:
            pair = [pixels[size][masks].get(name, {}).get("mae") for masks in ("true", "predicted")]
            cells.append(" / ".join(_number(value) for value in pair))
        rows.append((f"{_title(name)}, {_unit(name)}", *cells))
    return _rows(("metric", *(f"{float(size):g} mm" for size in sizes)), rows)


def centroids_table(roles: Mapping[str, Mapping[str, Any]]) -> str:
    """Distances between centroids."""
    header = ("patients", "structure", "n", "mean distance", "asked", "largest")
    rows = [
        (
            role,
            structure,
            f"{found['n']}",
            f"{found['mean']:.2f} mm",
            "1" if found["mean"] <= 1 else "**1 missed**",
            f"{found['max']:.2f}",
        )
        for role, tables in roles.items()
        for structure, found in tables["centroids"].items()
    ]
    return _rows(header, rows)


def figures(result: Mapping[str, Any]) -> str:
    """All tables of the page, in Markdown."""
    phantoms, roles = result["phantoms"], result["patients"]
    report, tune = roles["report"], roles["tune"]
    seconds = result["seconds"]
    parts = [
        f"Measured {result['date']} by `{result['command']}`, openlumbar {result['version']}, "
        f"weights `{result['weights'][:12]}…`.",
        f"### Phantoms, true masks\n\n{phantoms['count']} phantoms of unseen seeds, "
        f"{phantoms['pixel_mm']:g} mm pixels, {phantoms['slice_mm']:g} mm slices; against the "
        "same rule on the phantom's own contour.",
        errors_table(phantoms["true"], "true masks"),
        "### Phantoms, predicted masks\n\nThe same phantoms through the whole of "
        f"`openlumbar analyze`. {phantoms['misnamed']} of them are named one level off; their "
        "numbers are compared with those of what they were measured on, but for the lordosis.",
        errors_table(phantoms["predicted"], "predicted masks"),
        "### Phantoms, against their parameters\n\nA second way to the truth, without any mask: "
        "what the generating parameters say (true masks).",
        errors_table(phantoms["parameters"], None),
        f"### Other pixel sizes\n\nMean absolute error with true / predicted masks, "
        f"{phantoms['other_count']} phantoms a size.",
        pixels_table(phantoms["pixels"]),
        f"### Patients never trained on\n\n{len(report['cases'])} patients "
        f"({', '.join(report['cases'])}) that guided no choice of the network.",
        patients_table(report["shipped"]),
        f"{len(tune['cases'])} patients ({', '.join(tune['cases'])}) that were never trained on, "
        "but guided choices of the network, and the constants of the uncertainty:",
        patients_table(tune["shipped"]),
        "### Centroids",
        centroids_table(roles),
        "### Disc height by level\n\n`height_mm`, the report patients:",
        level_table(report["levels"]["disc height_mm"]),
        "`bounding_height_mm`, Hess's, the report patients:",
        level_table(report["levels"]["disc bounding_height_mm"]),
        "### How much of it is the cut of the bodies\n\nThe report patients with the predicted "
        "whole vertebrae cut as SPIDER's are:",
        patients_table({k: v for k, v in report["alike"].items() if k.startswith("vertebra")}),
        f"### Time\n\nMeasuring takes {seconds['median']:.2f} s a series (median of "
        f"{seconds['n']}; longest {seconds['max']:.2f} s) on one core of {result['machine']}.",
    ]
    return "\n\n".join(parts) + "\n"


def write_page(page: Path, result: Mapping[str, Any]) -> None:
    """Put the tables between the page's markers.

    Raises
    ------
    ValueError
        The page has no markers.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks the lines {BEGIN} and {END}")
    page.write_text(f"{before}{begin}\n\n{figures(result)}\n{end}{after}", "utf-8")
