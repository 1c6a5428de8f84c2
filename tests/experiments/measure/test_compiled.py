"""A question is put into SQL once; its answers are those of the rows that it is asked of."""

from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from duckdb import Error

from experiments.measure.compiled import fetched, written


def test_a_question_is_made_once_and_answered_of_other_rows_each_time() -> None:
    made, engine = [], ibis.duckdb.connect()

    def total(few: ibis.Table, many: ibis.Table) -> ibis.Table:
        made.append(1)
        return many.join(few, "n").aggregate(total=many.n.sum())

    for last in (5, 6, 7):
        few = pa.table({"n": [1, last]})
        many = engine.create_table(f"many_{last}", pa.table({"n": [1, 1, last, 9]}))
        found = fetched(engine, ("a question", 1), total, {"few": few, "many": many.filter(many.n > 0)})
        assert found.to_pylist() == [{"total": 2 + last}]
    assert len(made) == 1
    assert [name for name in engine.list_tables() if name.startswith("asked")] == []
    wide = {"few": pa.table({"n": pa.array([1], pa.int16())}), "many": many}
    assert fetched(engine, ("a question", 1), total, wide).to_pylist() == [{"total": 2}]
    assert len(made) == 2  # of other columns it is another question


def test_an_answer_that_fails_leaves_nothing_behind() -> None:
    engine = ibis.duckdb.connect()
    rows = {"rows": pa.table({"text": ["x"]})}
    with pytest.raises(Error):
        fetched(engine, "fails", lambda rows: rows.select(n=rows.text.cast("int64")), rows)
    assert engine.list_tables() == []


def test_an_answer_is_written_with_the_types_of_the_question(tmp_path: Path) -> None:
    engine, rows = ibis.duckdb.connect(), {"rows": pa.table({"n": [3, 1, 2]})}

    def doubled(rows: ibis.Table) -> ibis.Table:
        return rows.select(twice=(rows.n * 2).cast("decimal(38,0)"), n=rows.n).order_by("n")

    for name in ("first", "again"):
        written(engine, "written", doubled, rows, tmp_path / name, compression="zstd")
        assert pq.read_table(tmp_path / name).equals(fetched(engine, "written", doubled, rows))
    assert engine.list_tables() == []
