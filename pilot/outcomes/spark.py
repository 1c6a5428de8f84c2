"""The lake through Apache Spark: the same Ibis expressions, on a standalone cluster or on local threads."""

import importlib.util
import itertools
import os
import shutil
import socket
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pilot.outcomes.errors import SparkMissing, SparkNeedsAFolder, SparkUnreachable
from pilot.outcomes.spark_backend import arrow_backend
from pilot.outcomes.storage import Storage
from pilot.settings import Settings

if TYPE_CHECKING:
    import ibis

_CLUSTER = "spark://"
_ANSWER_SECONDS = 5
_LEAST_MEMORY_MB = 512  # Spark refuses to start with less
_TYPES = {"int64": "BIGINT", "string": "STRING", "date32[day]": "DATE", "timestamp[us, tz=UTC]": "TIMESTAMP"}
_CONFIGURATION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a sum that does not fit is an error, not a null
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # a month is a text, as in DuckDB
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_names = itertools.count(1)


class SparkEngine:
    """A Spark session at the master that ``PILOT_ENGINE`` names, begun when it is first asked for.

    Every worker must see the lake's folder under the same path.
    """

    def __init__(self, settings: Settings, storage: Storage) -> None:
        if storage.filesystem() is not None:
            raise SparkNeedsAFolder(root=storage.root)
        self._settings = settings
        self._backend: Any = None

    @property
    def backend(self) -> Any:
        if self._backend is None:
            self._backend = arrow_backend(_session(self._settings))
        return self._backend

    def read_parquet(self, files: Sequence[str], schema: pa.Schema, *, root: str, hive: bool = True) -> "ibis.Table":
        session = self.backend._session
        columns = ", ".join(f"`{field.name}` {_type(field.type)}" for field in schema)
        if files:
            reader = session.read.schema(columns)
            if hive:
                reader = reader.option("basePath", f"file://{root}")
            frame = reader.parquet(*[f"file://{file}" for file in files])
        else:
            frame = session.createDataFrame([], columns)
        # Each table has a name of its own: a view that was replaced would change what an older expression reads.
        name = f"lake_{next(_names)}"
        frame.select(*schema.names).createOrReplaceTempView(name)
        table = self.backend.table(name)
        # Spark's timestamps are instants; Ibis takes them for local times.
        instants = {field.name: "timestamp('UTC')" for field in schema if pa.types.is_timestamp(field.type)}
        return table.cast(instants) if instants else table


def _session(settings: Settings) -> Any:
    missing = _missing()
    if missing:
        raise SparkMissing(engine=settings.engine, missing=missing)
    _require_answer(settings.engine)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas 3, through which nothing passes here
        from pyspark.sql import SparkSession

    memory = max(settings.engine_memory_mb, _LEAST_MEMORY_MB)
    own = {"spark.driver.memory": f"{memory}m", "spark.local.dir": str(settings.spill_dir)}
    builder = SparkSession.builder.master(settings.engine).appName("pilot")
    for name, value in {**_CONFIGURATION, **own}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _missing() -> str | None:
    """What a session needs and this machine lacks."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark"
    java_home = os.environ.get("JAVA_HOME")
    if java_home and (Path(java_home) / "bin" / "java").exists():
        return None
    return None if shutil.which("java") else "java"


def _require_answer(engine: str) -> None:
    """A master that is not there would be waited for a minute; several may be named, and one is enough."""
    if not engine.startswith(_CLUSTER):
        return
    problem = ""
    for address in engine.removeprefix(_CLUSTER).split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
        except (OSError, ValueError) as error:
            problem = str(error)
        else:
            return
    raise SparkUnreachable(engine=engine, problem=problem)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return _TYPES[str(kind)]
