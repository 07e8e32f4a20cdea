"""A Dask cluster of processes on this machine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def start(tmp_path: Path, name: str, *arguments: str, more: dict[str, str] | None = None) -> subprocess.Popen:
    with open(tmp_path / f"{name}.log", "w") as log:
        command = [sys.executable, "-m", "dask", *arguments]
        return subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT | (more or {}), stdout=log, stderr=log)


class Cluster(NamedTuple):
    address: str
    scheduler: subprocess.Popen
    workers: list[subprocess.Popen]


@pytest.fixture
def cluster(tmp_path, request) -> Iterator[Cluster]:
    """Parameter: more of the scheduler's environment."""
    where = tmp_path / "scheduler.json"
    file = ("--scheduler-file", str(where))
    local = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = start(
        tmp_path, "scheduler", "scheduler", *file, *local, "--port", "0", more=getattr(request, "param", {})
    )
    plain = ("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
    workers = [start(tmp_path, f"worker{i}", "worker", *file, *local, *plain) for i in range(2)]
    try:
        yield Cluster(address(where), scheduler, workers)
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def address(where: Path) -> str:
    for _ in range(600):
        if where.exists() and (text := where.read_text()):
            return json.loads(text)["address"]
        time.sleep(0.1)
    raise TimeoutError("no scheduler")
