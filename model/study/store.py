"""Results of a study in one Parquet file, one row per point, written whole and renamed into place.

A point is a dict of JSON values.  Its row has

    key         sha256 of the point's canonical JSON
    a, b.c ...  the point's own values, tables within it by dotted names, lists as JSON text
    ...         the values that were measured, in the same way
    status      "done" or "failed"
    error       why it failed, one line; else null
    seconds     that it took

A column whose values differ in type (`"auto"` and 4096) is JSON text, too, and marked so in its field's metadata.
"""

import fcntl
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spec.errors import InputError

VERSION = "1"
DONE, FAILED = "done", "failed"
_FORMAT = b"crosstrain.study"
_JSON = b"json"
_OWN = {"key": pa.string(), "status": pa.string(), "error": pa.string(), "seconds": pa.float64()}
_INT64 = 1 << 63

Row = dict[str, Any]


def key_of(point: dict) -> str:
    """sha256 of the point's canonical JSON, as hex.  Raises `TypeError`, `ValueError` for what JSON does not have."""
    text = json.dumps(point, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def flatten(values: dict, prefix: str = "") -> Row:
    """Tables within a table by dotted names; an empty one stays what it is."""
    flat: Row = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def load_results(path: Path) -> pa.Table:
    """The table of a results file.  Raises `InputError`."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except FileNotFoundError:
        raise InputError("no such file", source=str(path)) from None
    except (OSError, pa.ArrowException) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"not a readable Parquet file ({said})", source=str(path)) from None
    version = (table.schema.metadata or {}).get(_FORMAT)
    if version is None:
        raise InputError("is no file of results: give another name", source=str(path))
    if version != VERSION.encode() or not set(_OWN) <= set(table.column_names):
        raise InputError(
            f"has results of version {version.decode()}, not {VERSION}: give another name, or remove the file",
            source=str(path),
        )
    return table


def rows_of(table: pa.Table) -> list[Row]:
    """Rows as dicts without the columns that are null, JSON text as what it stands for."""
    texts = {field.name for field in table.schema if _JSON in (field.metadata or {})}
    return [
        {
            name: json.loads(value) if name in texts else value
            for name, value in row.items()
            if value is not None
        }
        for row in table.to_pylist()
    ]


def table_of(rows: Sequence[Row]) -> pa.Table:
    """The table of these rows: columns in the order in which they are first seen, the status last."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in _OWN))
    names = ["key", *names, *(name for name in _OWN if name != "key")]
    columns = [_column(name, [row.get(name) for row in rows]) for name in names]
    schema = pa.schema([field for field, _ in columns], metadata={_FORMAT: VERSION.encode()})
    return pa.Table.from_arrays([array for _, array in columns], schema=schema)


def _column(name: str, values: list) -> tuple[pa.Field, pa.Array]:
    kind = _OWN.get(name) or _type_of([value for value in values if value is not None])
    if kind is not None:
        return pa.field(name, kind), pa.array(values, kind)
    texts = [None if value is None else json.dumps(value) for value in values]
    return pa.field(name, pa.string(), metadata={_JSON: b"1"}), pa.array(texts, pa.string())


def _type_of(values: list) -> pa.DataType | None:
    """The type that holds all of them unchanged but for whole numbers among fractions; None: JSON text."""
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) > 1:
        return None
    if kinds == {int} and not all(-_INT64 <= value < _INT64 for value in values):
        return None
    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    return types.get(kinds.pop()) if kinds else pa.string()


class Store:
    """The rows of a results file, which is this process's alone between `__enter__` and `__exit__`.

    Raises `InputError` for a file that is of another kind, in use, or cannot be written.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self._rows: dict[str, Row] = {}
        self._saved = True
        self._access = threading.Lock()
        self._lock: int | None = None

    def __enter__(self) -> "Store":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(
                self.path.with_name(f".{self.path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise InputError("another run is writing to it", source=str(self.path)) from None
        except OSError as error:
            self._unlock()
            raise InputError(f"cannot be written: {error.strerror}", source=str(self.path)) from None
        try:
            if self.path.exists():
                self._rows = {row["key"]: row for row in rows_of(load_results(self.path))}
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.save()
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def is_done(self, key: str) -> bool:
        return self._rows.get(key, {}).get("status") == DONE

    def put(self, key: str, row: Row) -> None:
        """A point's row, in place of an earlier one; on disk with the next `save`."""
        with self._access:
            self._rows[key] = {"key": key} | row
            self._saved = False

    def save(self) -> None:
        """Write what is new: the old file or the new one is there at any time."""
        with self._access:
            if self._saved:
                return
            try:
                self._write(table_of(list(self._rows.values())))
            except OSError as error:
                raise InputError(f"cannot be written: {error.strerror}", source=str(self.path)) from None
            self._saved = True

    def _write(self, table: pa.Table) -> None:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                pq.write_table(table, file)
                os.chmod(file.fileno(), 0o644)
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def table(self, keys: Iterable[str]) -> pa.Table:
        """The rows of these points, in this order; points without a row are left out."""
        return table_of([self._rows[key] for key in keys if key in self._rows])
