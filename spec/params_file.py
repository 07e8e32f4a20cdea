"""Hardware parameters as TOML: a named instance or a file, with the meaning and range of each parameter."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import tomli_w

from spec.errors import InputError
from spec.params import INSTANCES, HwParams


def from_dict(values: dict, *, source: str = "") -> HwParams:
    """Parameters from a TOML table.  `base` names an instance to start from; raises `InputError`."""
    values = dict(values)
    base = values.pop("base", None)
    if base is not None and base not in INSTANCES:
        raise InputError(
            f"unknown instance {base!r}; there are {', '.join(INSTANCES)}", source=source, key="base"
        )
    start = INSTANCES[base] if base else HwParams()
    known = [f.name for f in fields(HwParams)]
    for key in values:
        if key not in known:
            raise InputError(f"unknown parameter; there are base, {', '.join(known)}", source=source, key=key)
    for key in ("rules", "encodings"):
        if isinstance(values.get(key), list):
            values[key] = tuple(values[key])
    if not isinstance(values.get("name", ""), str):
        raise InputError(f"{values['name']!r} is not a text", source=source, key="name")
    values.setdefault("name", Path(source).stem if source else "custom")
    try:
        return replace(start, **values)
    except InputError as error:
        raise InputError(str(error), source=source) from None


def load(name_or_path: str) -> HwParams:
    """A named instance, or a TOML file of parameters.  Raises `InputError`."""
    if name_or_path in INSTANCES:
        return INSTANCES[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise InputError(
            f"unknown instance {name_or_path!r}; there are {', '.join(INSTANCES)}, or give a .toml file"
        )
    return from_dict(read_toml(path), source=str(path))


def read_toml(path: Path) -> dict:
    """A TOML file as a dict; a missing, unreadable or malformed one raises `InputError`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("no such file", source=str(path)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot be read: {error}", source=str(path)) from None


def dump(params: HwParams) -> str:
    """The parameters as TOML text that `load` reads back, each with its meaning and range."""
    lines = []
    for f in fields(params):
        value = getattr(params, f.name)
        if "low" in f.metadata:
            lines.append(f"# {f.metadata['doc']} ({f.metadata['low']}..{f.metadata['high']})")
        else:
            lines.append(f"# {f.metadata['doc']}")
        lines.append(tomli_w.dumps({f.name: list(value) if isinstance(value, tuple) else value}).strip())
    return "\n".join(lines) + "\n"
