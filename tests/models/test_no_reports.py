"""Nothing is sent anywhere unasked: ONNX Runtime, which reports by default, is kept silent."""

import os
import subprocess
import sys

SCRIPT = """
import os
import openlumbar.models
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


def silent(home, **given):
    """What the variable is in a fresh process, and what loading left in the user's home."""
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    kept.pop("XDG_CACHE_HOME", None)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=kept | {"HOME": str(home)} | given,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), [path.name for path in home.rglob("*") if "onnx" in path.name]


def test_onnx_runtime_is_silent_from_the_start(tmp_path):
    assert silent(tmp_path) == ("1", [])


def test_the_user_may_choose_otherwise(tmp_path):
    assert silent(tmp_path, ORT_DISABLE_TELEMETRY="0")[0] == "0"
