"""Size on disk of a default install: a fresh environment, ``pip install .``, counted.

python benchmarks/install_size.py
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def size_mb(path: Path) -> float:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if not file.is_dir()) / 1e6


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        scripts = "Scripts" if sys.platform == "win32" else "bin"
        python = Path(folder, scripts, "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", ROOT], check=True)
        packages = Path(sysconfig.get_path("purelib", vars={"base": folder}))
        sizes = {path.name: size_mb(path) for path in packages.iterdir()}
        print(f"{'whole environment':32}{size_mb(Path(folder)):8.0f} MB")
        for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:10]:
            print(f"  {name:30}{size:8.0f} MB")


if __name__ == "__main__":
    main()
