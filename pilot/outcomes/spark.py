"""The lake through Apache Spark: the same Ibis expressions, on a cluster or on local threads."""

import importlib.util
import itertools
import os
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pilot.outcomes.errors import SparkMissing, SparkUnreachable
from pilot.outcomes.storage import Storage
from pilot.settings import Settings

if TYPE_CHECKING:
    import ibis

_names = itertools.count(1)
_TYPES = {"int64": "bigint", "string": "string", "date32[day]": "date", "timestamp[us, tz=UTC]": "timestamp"}


class SparkEngine:
    """A Spark session at the master that ``PILOT_ENGINE`` names, begun when it is first asked for."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings, self._storage = settings, storage
        self._backend: Any = None

    @property
    def backend(self) -> Any:
        if self._backend is None:
            import ibis

            self._backend = ibis.pyspark.connect(_session(self._settings))
        return self._backend

    def read_parquet(self, files: Sequence[str], schema: pa.Schema, *, root: str, hive: bool = True) -> "ibis.Table":
        session = self.backend._session
        name = f"lake_{next(_names)}"
        columns = ", ".join(f"`{field.name}` {_type(field.type)}" for field in schema)
        if files:
            reader = session.read.schema(columns)
            if hive:
                reader = reader.option("basePath", _place(root))
            frame = reader.parquet(*[_place(file) for file in files])
        else:
            frame = session.createDataFrame([], columns)
        frame.select(*schema.names).createOrReplaceTempView(name)
        return self.backend.table(name)


def _session(settings: Settings) -> Any:
    missing = _missing()
    if missing:
        raise SparkMissing(engine=settings.engine, missing=missing)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(settings.engine).appName("pilot")
    for name, value in _CONFIGURATION.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except Exception as error:
        raise SparkUnreachable(engine=settings.engine, problem=str(error).splitlines()[0]) from error


_CONFIGURATION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.ui.enabled": "false",
}


def _missing() -> str | None:
    """What a session needs and this machine lacks."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark"
    java = os.environ.get("JAVA_HOME")
    if shutil.which("java") is None and not (java and os.path.exists(os.path.join(java, "bin", "java"))):
        return "java"
    return None


def _type(kind: pa.DataType) -> str:
    return _TYPES[str(kind)]


def _place(path: str) -> str:
    """As Hadoop names it: a folder by ``file://``, an object store by ``s3a://``."""
    return "s3a://" + path.removeprefix("s3://") if path.startswith("s3://") else f"file://{path}"
