"""The least that durable ingestion can be: a bare Flask view that parses the body and commits one synced row.

Run by ``benchmarks/ingest_http.py`` under gunicorn; ``BARE_DATABASE`` is a file for SQLite or a PostgreSQL URL. It
parses with orjson, the fastest parser at hand, so that it is no straw man.
"""

import os
import sqlite3
import threading
from typing import Any

import orjson
from flask import Flask, request

app = Flask(__name__)
_local = threading.local()
_WHERE = os.environ.get("BARE_DATABASE", "bare.db")
_IS_POSTGRES = _WHERE.startswith("postgresql")
_TABLE = "CREATE TABLE IF NOT EXISTS arrived (n INTEGER NOT NULL)"
_INSERT = "INSERT INTO arrived VALUES (%s)" if _IS_POSTGRES else "INSERT INTO arrived VALUES (?)"


def _connection() -> Any:
    if not hasattr(_local, "connection"):
        if _IS_POSTGRES:
            import psycopg

            _local.connection = psycopg.connect(_WHERE)
            _local.connection.execute("SET synchronous_commit = on")
        else:
            _local.connection = sqlite3.connect(_WHERE, timeout=60)
            _local.connection.execute("PRAGMA journal_mode = WAL")
            _local.connection.execute("PRAGMA synchronous = FULL")
    return _local.connection


def make_table() -> None:
    """Called once before the server starts."""
    connection = _connection()
    connection.execute(_TABLE)
    connection.commit()
    connection.close()
    del _local.connection


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@app.post("/api/v1/receipts")
def receive() -> tuple[dict[str, int], int]:
    receipts = orjson.loads(request.get_data())["receipts"]
    connection = _connection()
    connection.execute(_INSERT, (len(receipts),))
    connection.commit()
    return {"accepted": len(receipts)}, 202
