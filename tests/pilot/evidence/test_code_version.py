"""A frozen report names the code that computed it."""

import re
from pathlib import Path

from pilot import __version__
from pilot.evidence.code_version import code_version, digest_of


def test_the_code_version_is_the_version_and_a_digest() -> None:
    assert re.fullmatch(re.escape(__version__) + r"\+[0-9a-f]{12}", code_version())


def test_a_changed_a_renamed_and_a_new_source_file_give_another_digest(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    source = tmp_path / "room" / "service.py"
    source.write_text("answer = 42\n")
    digests = [digest_of({"package": tmp_path})]
    source.write_text("answer = 43\n")
    digests.append(digest_of({"package": tmp_path}))
    source.rename(tmp_path / "room" / "verbs.py")
    digests.append(digest_of({"package": tmp_path}))
    (tmp_path / "queries.py").touch()
    digests.append(digest_of({"package": tmp_path}))
    assert len(set(digests)) == len(digests)


def test_what_is_not_source_does_not_count(tmp_path: Path) -> None:
    before = digest_of({"package": tmp_path})
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "service.pyc").write_bytes(b"x")
    assert digest_of({"package": tmp_path}) == before
