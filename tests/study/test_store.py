"""The results file: what it holds, that it is whole at any time, and what else is refused."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.study import store
from model.study.store import Store, key_of, load_results, rows_of, table_of
from spec.errors import InputError

ROW = {"status": "done", "seconds": 0.5}


def test_the_key_depends_on_the_content_and_not_on_the_order():
    assert key_of({"a": 1, "b": {"c": 2, "d": 3}}) == key_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_a_point_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError):
        key_of({"a": float("nan")})
    with pytest.raises(TypeError):
        key_of({"a": object()})


def test_rows_come_back_as_they_were(tmp_path):
    rows = [
        ROW | {"key": "a", "auto": "auto", "list": [1, 2], "whole": 3, "flag": True, "big": 1 << 70},
        ROW | {"key": "b", "auto": 4096, "list": [], "half": 0.5, "flag": False, "big": 1, "empty": {}},
        {"key": "c", "status": "failed", "error": "why", "seconds": 0.0},
    ]
    with Store(tmp_path / "r.parquet") as kept:
        for row in rows:
            kept.put(row["key"], row)
    table = load_results(tmp_path / "r.parquet")
    assert rows_of(table) == rows
    assert table.schema.field("whole").type == pa.int64()
    assert table.schema.field("half").type == pa.float64()
    assert table["auto"].to_pylist() == ['"auto"', "4096", None]
    assert table.column_names[0] == "key" and table.column_names[-3:] == ["status", "error", "seconds"]


def test_an_empty_table_has_the_columns_that_every_table_has():
    assert table_of([]).column_names == ["key", "status", "error", "seconds"]


def test_the_old_file_stays_whole_when_writing_breaks_off(tmp_path, monkeypatch):
    path = tmp_path / "r.parquet"
    with Store(path) as kept:
        kept.put("a", ROW)

    def half_a_table(table, file):
        file.write(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.pq, "write_table", half_a_table)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        with Store(path) as kept:
            kept.put("b", ROW)
    assert load_results(path)["key"].to_pylist() == ["a"]
    assert sorted(os.listdir(tmp_path)) == [".r.parquet.lock", "r.parquet"]


def test_two_runs_do_not_write_to_one_file(tmp_path):
    with Store(tmp_path / "r.parquet"):
        with pytest.raises(InputError, match="another run is writing"):
            Store(tmp_path / "r.parquet").__enter__()
    with Store(tmp_path / "r.parquet"):
        pass


def test_other_files_are_refused_and_stay_as_they_are(tmp_path):
    path = tmp_path / "r.parquet"
    text = b"not a table"
    path.write_bytes(text)
    with pytest.raises(InputError, match="not a readable Parquet file"):
        Store(path).__enter__()
    assert path.read_bytes() == text
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="is no file of results"):
        Store(path).__enter__()
    pq.write_table(table_of([]).replace_schema_metadata({"crosstrain.study": "0"}), path)
    with pytest.raises(InputError, match="version 0, not 1: give another name, or remove"):
        Store(path).__enter__()


def test_missing_file_and_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_results(tmp_path / "none.parquet")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        Store(tmp_path / "file" / "r.parquet").__enter__()
