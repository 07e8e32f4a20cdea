"""Result files: complete or not there."""

import os
import tempfile
from pathlib import Path

from spec.errors import InputError


def make_folder(path: Path) -> Path:
    """Create a folder for results; raises `InputError` where it cannot be written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f"cannot be written to: {error.strerror}", source=str(path)) from None
    return path


def write(path: Path, content: str | bytes) -> Path:
    """Write under a temporary name and rename; raises `InputError`."""
    data = content.encode() if isinstance(content, str) else content
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(data)
            os.chmod(file.fileno(), 0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", source=str(path)) from None
    return path
