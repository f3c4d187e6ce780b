"""Seconds of ``import openlumbar`` and of ``openlumbar --help``, each in a new process.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPEATS = 10
COMMANDS = {
    "python alone": ["-c", "pass"],
    "import openlumbar": ["-c", "import openlumbar"],
    "from openlumbar import analyze": ["-c", "from openlumbar import analyze"],
    "openlumbar --help": ["-m", "openlumbar", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """Median wall-clock time, the interpreter's own start included."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    print(f"{'median of ' + str(REPEATS):32}{'seconds':>8}")
    for name, arguments in COMMANDS.items():
        print(f"{name:32}{seconds(arguments):8.2f}")


if __name__ == "__main__":
    main()
