"""The table of published loads names its sources, and its page has a place for every part."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOOK = tomllib.loads((ROOT / "benchmarks" / "data" / "published_loads.toml").read_text("utf-8"))
PAGE = (ROOT / "docs" / "reference" / "load-accuracy.md").read_text("utf-8")


def test_every_published_number_and_trend_has_a_source_that_was_read():
    named = {entry["source"] for entry in (*BOOK["load"], *BOOK["trend"])}
    named.add(BOOK["conversion"]["low_source"])

    assert named == set(BOOK["source"])
    assert all(source["read"] and source["url"] for source in BOOK["source"].values())


def test_the_page_has_written_tables_for_every_part():
    found = re.findall(r"<!-- (\w+): begin -->(.*?)<!-- \1: end -->", PAGE, re.S)

    assert [name for name, _ in found] == [
        "people", "published", "trend", "sensitivity", "reference", "time", "literature",
    ]  # fmt: skip
    assert all("|" in text for _, text in found)
