"""How true the loads of the lumbar spine are.

    python benchmarks/loads.py -o out/loads --data ../shared/data --docs

- *people*: Hess's tables 6 to 8 on phantom exams of unseen seeds, by the networks' masks against
  true ones, beside the figures of Hess et al. 2023; how many intervals hold the other load.
- *published*: the exams' loads within published ranges, by several ways of solving.
- *trend*: whether loads rise with flexion, with weights and towards the sacrum.
- *sensitivity*: what a load is sensitive to, and what its interval is made of.
- *reference*: our base man beside the reference model, and what the differences come from.
- *time*: seconds that loads add.

Exams are kept in the output folder and measured once. ``--docs`` puts the tables into the docs.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from loads_validation.exams import FIRST_SEED, Pair, pairs
from loads_validation.page import write
from loads_validation.people import people, solved_pairs
from loads_validation.published import published
from loads_validation.reference import MODEL, reference
from loads_validation.sensitivity import sensitivity
from loads_validation.timing import timing
from loads_validation.trend import trend
from published_loads import DATA

PARTS = ("people", "published", "trend", "sensitivity", "reference", "time")


def parts(given: argparse.Namespace) -> dict[str, Callable[[], str]]:
    """How each part is made."""

    @cache
    def exams() -> tuple[Pair, ...]:
        return tuple(pairs(given.output, given.phantoms))

    book = tomllib.loads(DATA.read_text("utf-8"))
    return {
        "people": lambda: people(solved_pairs(exams())),
        "published": lambda: published(exams(), book),
        "trend": lambda: trend(exams()),
        "sensitivity": lambda: sensitivity(exams()),
        "reference": lambda: reference(given.data, exams()),
        "time": lambda: timing(given.output / "exams" / f"{FIRST_SEED}_networks"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--phantoms", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--docs", action="store_true", help="write the tables into the docs")
    given = parser.parse_args()
    made = parts(given)
    for name in given.only:
        if name == "reference" and not (given.data / MODEL).is_file():
            print(f"reference: left out, {given.data / MODEL} is absent")
            continue
        text = made[name]()
        print(f"\n## {name}\n\n{text}", flush=True)
        if given.docs:
            write(name, text)


if __name__ == "__main__":
    main()
