"""A small chain and files for it: builders that name only what matters to a test of the data rooms."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pilot.access.model import Role, User
from pilot.database import Database
from pilot.imports.mapping import FileMapping, guess_mapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.service import publish, stage_import
from pilot.network.service import set_up_network
from pilot.outcomes.importers import importer_for
from tests.builders import a_user

REGIONS = "region,name\nN,North region\nS,South region\n"
STORES = "store,region,name\n31,N,Oak Street\n309,N,Mill Road\n7,S,Harbour\n"
CUSTOMERS = "customer,home_store,age\n101,31,19-24\n9,309,\n55,7,65+\n"
RECEIPTS = (
    "receipt,store,till,number,at,kind,customer,net,vat,n_items\n"
    "b1,31,1,1,2026-01-10 09:00:00,sale,101,12.50,2.50,3\n"
    "b2,309,1,1,2026-01-10 10:30:00,sale,,8.00,1.60,1\n"
    "b3,31,1,2,2026-02-01 18:15:00,return,101,-2.50,-0.50,1\n"
    "b4,7,2,1,2026-02-03 02:30:00,sale,77,40.00,8.00,12\n"
)
FILES = {
    ImportKind.REGIONS: REGIONS,
    ImportKind.STORES: STORES,
    ImportKind.CUSTOMERS: CUSTOMERS,
    ImportKind.RECEIPTS: RECEIPTS,
}


class Chain:
    """An installation with a network set up, and files put in through the same doors that people use."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.database, self.now = database, now
        with database.unit_of_work() as session:
            self.admin: User = a_user(session, Role.ADMIN, email="admin@example.org")
            set_up_network(
                session,
                name="Corner shops",
                currency="EUR",
                timezone="Europe/Helsinki",
                cutoff_hour=3,
                actor=self.admin,
                now=now,
            )

    def file(self, content: str | bytes, name: str = "file.csv") -> Path:
        path = self.database.settings.home / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def stage(
        self,
        kind: ImportKind,
        file: Path | str,
        *,
        mapping: FileMapping | None = None,
        quarantine: bool = False,
        **corrections: Any,
    ) -> ImportRun:
        path = self.file(file) if isinstance(file, str) else file
        importer = importer_for(kind)
        mapping = replace(mapping or guess_mapping(importer, path).mapping, **corrections)
        with self.database.unit_of_work() as session:
            return stage_import(session, importer, path, mapping, actor=self.admin, now=self.now, quarantine=quarantine)

    def publish(self, run: ImportRun) -> ImportRun:
        with self.database.unit_of_work() as session:
            found = session.get_one(ImportRun, run.id)
            return publish(session, importer_for(ImportKind(found.kind)), found, actor=self.admin, now=self.now)

    def take_in(self, kind: ImportKind, file: Path | str, **options: Any) -> ImportRun:
        return self.publish(self.stage(kind, file, **options))

    def with_stores(self) -> "Chain":
        self.take_in(ImportKind.REGIONS, REGIONS)
        self.take_in(ImportKind.STORES, STORES)
        return self
