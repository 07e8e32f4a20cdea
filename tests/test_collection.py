"""The tests' names are the same in every process: parallel runs refuse to start otherwise."""

import os
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[1]


def collected(hash_seed: int) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "--quiet",
        "-p",
        "no:cacheprovider",
        "-m",
        "",
    ]
    env = os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_names_and_order_of_the_tests_depend_on_neither_the_time_nor_the_hash_seed():
    first, second = collected(1), collected(2)
    assert len(first) > 1000
    changed = [pair for pair in zip_longest(first, second) if pair[0] != pair[1]]
    assert not changed, changed[:3]
