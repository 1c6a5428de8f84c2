"""The engine's refusals are ours: no room on the machine is said in words."""

from pathlib import Path

import pytest

from pilot.imports.engine import engine, literal
from pilot.imports.errors import EngineStopped


def test_a_file_that_cannot_be_written_stops_the_engine_by_name(tmp_path: Path) -> None:
    nowhere = literal(str(tmp_path / "no such folder" / "file.parquet"))
    with pytest.raises(EngineStopped, match="Nothing has changed"), engine(tmp_path / "spill") as connection:
        connection.execute(f"COPY (SELECT 1 AS one) TO {nowhere} (FORMAT parquet)")


def test_more_than_fits_into_memory_and_no_room_to_spill_stops_it_too(tmp_path: Path) -> None:
    with pytest.raises(EngineStopped), engine(tmp_path / "spill") as connection:
        connection.execute(
            "SET max_temp_directory_size = '1KB';"
            "CREATE TABLE big AS SELECT repeat('x', 1000) || i AS text FROM range(1000000) numbers(i)"
        )
