"""Where the bytes of a lake are: a folder whose files and log are synced to disk, or an S3-compatible object store."""

import contextlib
import errno
import importlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from pilot.outcomes.errors import LakeDiskFull, ObjectStoreRefused, ObjectStoreUnavailable
from pilot.settings import Settings

LOG = "_delta_log"
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MOST_SAID = 400  # characters
_CLIENTS = ("botocore", "aiobotocore", "aiohttp")  # whose errors are the store's, or of the way there
_NO_ROOM = ("No space left", "Disk quota exceeded", "not enough disk space", "os error 28")


class Storage(Protocol):
    """What a Delta table needs of its place. Paths are relative to ``root``."""

    root: str
    options: dict[str, str] | None
    """What deltalake must be told to open ``root``."""

    def prepare(self) -> None:
        """Make the place itself."""

    def new_file(self, path: str) -> AbstractContextManager[Path]:
        """A local file to write; it is durable under ``path`` when the block has ended, and gone when it failed."""

    def sync_log(self, version: int) -> None:
        """The log entry of ``version``, what came with it, and the log's folder are durable when this returns."""

    def drop_torn_entry(self) -> bool:
        """Remove the last log entry where it is no entry at all; whether there was such a one."""

    def read(self, path: str) -> bytes: ...

    def put(self, path: str, content: bytes) -> None:
        """Write or replace a small file; it is durable when this returns, and there whole or not at all."""

    def size(self, path: str) -> int: ...

    def modified_ms(self, path: str) -> int:
        """When the file was written, in milliseconds since 1970."""

    def exists(self, path: str) -> bool: ...

    def remove(self, path: str) -> None: ...

    def paths(self, folder: str = "") -> list[str]:
        """Every file below ``folder``, sorted; none where there is nothing yet."""

    def fetch(self, path: str, target: Path) -> None:
        """Copy a file to ``target`` on this machine."""

    def filesystem(self) -> Any | None:
        """The fsspec file system through which an engine reads; None: local paths."""


def storage_of(settings: Settings, root: str) -> Storage:
    """The storage that ``root`` names: a folder, or ``s3://bucket/prefix``."""
    return ObjectStore(root, settings.spill_dir) if root.startswith("s3://") else LocalFolder(Path(root))


def beside_lake(settings: Settings, name: str) -> str:
    """The root of a derived table: beside the lake, never inside it, where vacuum would take it for leftovers."""
    return f"{settings.lake_root.rstrip('/')}-{name}" if settings.lake_url else str(settings.home / name)


class LocalFolder:
    """A folder on a disk: nothing here is durable before it was synced, file and folder."""

    options: dict[str, str] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = str(path)

    def prepare(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def new_file(self, path: str) -> Iterator[Path]:
        file = self.path / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            yield file
            for synced in (file, file.parent, self.path):
                _sync(synced)
        except BaseException as error:
            file.unlink(missing_ok=True)
            raise_if_full(error, self.root)
            raise

    def sync_log(self, version: int) -> None:
        log = self.path / LOG
        checkpoint = log / f"{version:020d}.checkpoint.parquet"
        written = [checkpoint, log / "_last_checkpoint"] if checkpoint.exists() else []
        for path in (log / f"{version:020d}.json", *written, log):
            _sync(path)

    def drop_torn_entry(self) -> bool:
        # Entries appear whole under their names; a torn one is what a power cut left before it was synced, so before
        # anybody was told that it is stored.
        entries = sorted((self.path / LOG).glob("*.json"))
        if not entries or _is_whole(entries[-1]):
            return False
        entries[-1].unlink()
        _sync(self.path / LOG)
        return True

    def read(self, path: str) -> bytes:
        return (self.path / path).read_bytes()

    def put(self, path: str, content: bytes) -> None:
        file = self.path / path
        part = file.with_name(f".{file.name}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            _sync(part)
            part.rename(file)
            for folder in (file.parent, file.parent.parent):
                _sync(folder)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise_if_full(error, self.root)
            raise

    def size(self, path: str) -> int:
        return (self.path / path).stat().st_size

    def modified_ms(self, path: str) -> int:
        return (self.path / path).stat().st_mtime_ns // 1_000_000

    def exists(self, path: str) -> bool:
        return (self.path / path).exists()

    def remove(self, path: str) -> None:
        (self.path / path).unlink(missing_ok=True)

    def paths(self, folder: str = "") -> list[str]:
        return sorted(str(file.relative_to(self.path)) for file in (self.path / folder).rglob("*") if file.is_file())

    def fetch(self, path: str, target: Path) -> None:
        shutil.copyfile(self.path / path, target)

    def filesystem(self) -> None:
        return None


class ObjectStore:
    """A bucket. A put is durable when it is answered; commits are conditional puts, so none overwrites another.

    Credentials and region come from the usual ``AWS_…`` variables, an address of one's own from ``AWS_ENDPOINT_URL``.
    """

    def __init__(self, root: str, scratch: Path, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self.root = root.rstrip("/")
        self._scratch = scratch
        self._endpoint = given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL")
        # A log entry is put only where none is (If-None-Match): the second of two writers is told, and tries again.
        options = {"aws_conditional_put": "etag"}
        if self._endpoint:
            options["aws_endpoint"] = self._endpoint
            options["aws_allow_http"] = str(self._endpoint.startswith("http://")).lower()
        self.options: dict[str, str] | None = options
        self._fs: Any = None

    def prepare(self) -> None:
        """A bucket is made by whoever runs the object store."""

    @contextmanager
    def new_file(self, path: str) -> Iterator[Path]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="upload-", suffix=".parquet", dir=self._scratch)
        os.close(descriptor)
        local = Path(name)
        try:
            yield local
            with self._asking():
                self.filesystem().put_file(name, self._at(path))
        except BaseException as error:
            raise_if_full(error, str(self._scratch))
            raise
        finally:
            local.unlink(missing_ok=True)

    def sync_log(self, version: int) -> None:
        """A put that was answered is durable."""

    def drop_torn_entry(self) -> bool:
        """A put is there whole or not at all."""
        return False

    def read(self, path: str) -> bytes:
        with self._asking():
            content: bytes = self.filesystem().cat_file(self._at(path))
        return content

    def put(self, path: str, content: bytes) -> None:
        with self._asking():
            self.filesystem().pipe_file(self._at(path), content)

    def size(self, path: str) -> int:
        return int(self._info(path)["size"])

    def modified_ms(self, path: str) -> int:
        return int(self._info(path)["LastModified"].timestamp() * 1000)

    def exists(self, path: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return bool(self._info(path))
        return False

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._asking():
            self.filesystem().rm_file(self._at(path))

    def paths(self, folder: str = "") -> list[str]:
        place = self._at(folder).rstrip("/")
        with self._asking():
            found = [f"s3://{name}" for name in self.filesystem().find(place)]
        return sorted(name.removeprefix(f"{self.root}/") for name in found if name.startswith(f"{place}/"))

    def fetch(self, path: str, target: Path) -> None:
        with self._asking():
            self.filesystem().get_file(self._at(path), str(target))

    def filesystem(self) -> Any:
        if self._fs is None:
            try:
                s3fs = importlib.import_module("s3fs")  # an extra; it ships no types
            except ImportError:
                raise ObjectStoreUnavailable(root=self.root) from None
            # Others write here too: what was listed a moment ago is not what is there.
            self._fs = s3fs.S3FileSystem(
                endpoint_url=self._endpoint, use_listings_cache=False, skip_instance_cache=True
            )
        return self._fs

    def _info(self, path: str) -> dict[str, Any]:
        with self._asking():
            found: dict[str, Any] = self.filesystem().info(self._at(path))
        return found

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            if isinstance(error, OSError) or type(error).__module__.startswith(_CLIENTS):
                raise_if_refused(error, self.root)
            raise

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}"


def raise_if_full(error: BaseException, place: str) -> None:
    """Raise ``LakeDiskFull`` where ``error`` says, in whatever library's words, that the disk is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise LakeDiskFull(place=place) from error
    if isinstance(error, Exception) and any(words in str(error) for words in _NO_ROOM):
        raise LakeDiskFull(place=place) from error


def raise_if_refused(error: BaseException, root: str) -> None:
    """Raise ``ObjectStoreRefused`` where a bucket is meant, with what was said in one line without control codes."""
    if root.startswith("s3://"):
        said = _CONTROL.sub(" ", _COLOURS.sub("", str(error) or type(error).__name__))
        problem = " ".join(said.replace("↳", "").split()).rstrip(".")
        raise ObjectStoreRefused(root=root, problem=problem[:_MOST_SAID]) from error


def _is_whole(entry: Path) -> bool:
    try:
        return all(isinstance(json.loads(line), dict) for line in entry.read_bytes().splitlines())
    except ValueError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
