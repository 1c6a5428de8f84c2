"""Imports at the same moment: the same file twice, and files that overlap; nothing breaks and nothing counts twice."""

import shutil
import threading
from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import func, select

from pilot.database import Database
from pilot.imports.mapping import guess_mapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.service import CheckedImport, check_import, keep_import, publish, remove_staging
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from tests.pilot.imports.builders import RECEIPTS, Chain

IMPORTER = importer_for(ImportKind.RECEIPTS)


@pytest.fixture
def chain(database: Database, now: datetime) -> Chain:
    chain = Chain(database, now).with_stores()
    shutil.rmtree(database.settings.staging_dir)  # of the files of regions and stores
    return chain


def check(chain: Chain, text: str, name: str) -> CheckedImport:
    path = chain.file(text, name)
    with chain.database.reading() as session:
        return check_import(session, IMPORTER, path, guess_mapping(IMPORTER, path).mapping, now=chain.now)


def keep(chain: Chain, checked: CheckedImport) -> ImportRun:
    with chain.database.unit_of_work() as session:
        return keep_import(session, checked, actor=chain.admin, now=chain.now)


def finish(chain: Chain, run: ImportRun) -> ImportRun:
    with chain.database.unit_of_work() as session:
        done = publish(session, IMPORTER, session.get_one(ImportRun, run.id), actor=chain.admin, now=chain.now)
    with chain.database.reading() as session:
        remove_staging(session, done)
    return done


def stored(chain: Chain) -> int:
    return int(Lake(chain.database.settings).receipts().count().to_pyarrow().as_py())


def test_a_second_check_of_the_same_file_does_not_disturb_the_first(chain: Chain) -> None:
    first = check(chain, RECEIPTS, "a.csv")
    second = check(chain, RECEIPTS, "b.csv")
    runs = keep(chain, first), keep(chain, second)
    assert runs[0].id == runs[1].id
    assert [finish(chain, run).n_new for run in runs] == [4, 4]  # the second finds it published
    assert stored(chain) == 4
    assert list(chain.database.settings.staging_dir.iterdir()) == []


def test_a_check_that_ends_after_the_same_file_was_published_leaves_nothing_behind(chain: Chain) -> None:
    first, second = check(chain, RECEIPTS, "a.csv"), check(chain, RECEIPTS, "b.csv")
    finish(chain, keep(chain, first))
    assert keep(chain, second).is_published
    assert list(chain.database.settings.staging_dir.iterdir()) == []


def at_once(*acts: Callable[[], object]) -> list[BaseException]:
    errors: list[BaseException] = []
    gate = threading.Barrier(len(acts))

    def act(one: Callable[[], object]) -> None:
        gate.wait()
        try:
            one()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=act, args=(one,)) for one in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_two_who_import_at_once_both_succeed_and_every_receipt_is_there_once(chain: Chain) -> None:
    more = RECEIPTS + "b9,7,2,9,2026-02-04 10:00:00,sale,77,5.00,1.00,1\n"

    def take_in(text: str, name: str) -> Callable[[], object]:
        return lambda: finish(chain, keep(chain, check(chain, text, name)))

    assert at_once(take_in(RECEIPTS, "a.csv"), take_in(RECEIPTS, "b.csv"), take_in(more, "c.csv")) == []
    assert stored(chain) == 5
    with chain.database.reading() as session:
        published = ImportRun.kind == ImportKind.RECEIPTS
        assert session.scalar(select(func.sum(ImportRun.n_new)).where(published)) == 5
