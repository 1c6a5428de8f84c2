"""What the demonstration's people do, each act in units of work of its own, through the rooms' own verbs."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pilot.access.model import User
from pilot.assignment.exclusions import excluding
from pilot.assignment.queries import assignment_of
from pilot.database import Database
from pilot.demo.people import ANALYST, EXECUTIVE, MANAGER, Account
from pilot.evidence.document import ReportDocument, read_document
from pilot.evidence.service import compute_report, freeze
from pilot.evidence.truths import Truths
from pilot.governance import service as governance
from pilot.imports.mapping import guess_mapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.service import publish, remove_staging, stage_import
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.queries import pilot as pilot_by_code
from pilot.programs import queries as programs_read
from pilot.programs import service as programs


@dataclass(frozen=True, slots=True)
class Cast:
    """The installation and its people."""

    database: Database
    people: dict[Account, User]

    @property
    def lake(self) -> Lake:
        return Lake(self.database.settings)

    def import_file(self, kind: ImportKind, path: Path, *, by: Account, now: datetime) -> ImportRun:
        """Guess the mapping, stage, publish: two units of work, as the web and the command line do."""
        importer = importer_for(kind)
        mapping = guess_mapping(importer, path).mapping
        with self.database.unit_of_work() as session:
            staged = stage_import(session, importer, path, mapping, actor=self.people[by], now=now)
        with self.database.unit_of_work() as session:
            run = publish(session, importer, session.get_one(ImportRun, staged.id), actor=self.people[by], now=now)
        with self.database.reading() as session:
            remove_staging(session, run)
        return run

    def create_program(
        self, code: str, name: str, variant: tuple[str, str], offers: list[dict[str, Any]], *, now: datetime
    ) -> None:
        """The manager's program with one variant beside control and its offers."""
        manager = self.people[MANAGER]
        with self.database.unit_of_work() as session:
            program = programs.create_program(session, code=code, name=name, actor=manager, now=now)
            made = programs.add_variant(session, program, code=variant[0], name=variant[1], actor=manager, now=now)
            for offer in offers:
                programs.set_offer(session, made, **offer, actor=manager, now=now)

    def draft_pilot(self, code: str, name: str, document: dict[str, Any], *, now: datetime) -> None:
        """The manager's draft, for the program of the same code."""
        with self.database.unit_of_work() as session:
            program = programs_read.program(session, code)
            planning.create_pilot(
                session,
                code=code,
                name=name,
                program=program,
                document=document,
                actor=self.people[MANAGER],
                now=now,
            )

    def submit(self, code: str, *, now: datetime) -> None:
        with self.database.reading() as session:
            pilot = pilot_by_code(session, code)
            checked = planning.check_submission(session, pilot, lake=self.lake, excluded=excluding(session, pilot))
        with self.database.unit_of_work() as session:
            pilot = pilot_by_code(session, code)
            planning.submit(session, pilot, checked=checked, actor=self.people[MANAGER], now=now)

    def cosign(self, code: str, reason: str, *, now: datetime) -> None:
        with self.database.unit_of_work() as session:
            pilot = pilot_by_code(session, code)
            governance.cosign(session, pilot, reason=reason, actor=self.people[ANALYST], now=now)

    def seal(self, code: str, reason: str, *, now: datetime, entropy: bytes) -> None:
        with self.database.unit_of_work() as session:
            pilot = pilot_by_code(session, code)
            governance.approve_and_seal(
                session, pilot, reason=reason, actor=self.people[EXECUTIVE], now=now, entropy=entropy
            )

    def draw_and_start(self, code: str, *, drawn_at: datetime, started_at: datetime) -> dict[str, str]:
        """Draw and start the first stage; the answer is unit code → variant."""
        manager = self.people[MANAGER]
        with self.database.reading() as session:
            pilot = pilot_by_code(session, code)
            prepared = governance.prepare_draw(session, pilot, 1, lake=self.lake, actor=manager, now=drawn_at)
        with self.database.unit_of_work() as session:
            draw = governance.draw(session, pilot_by_code(session, code), prepared, actor=manager, now=drawn_at)
            assignment = assignment_of(session, draw)
        with self.database.unit_of_work() as session:
            governance.start_stage(session, pilot_by_code(session, code), 1, actor=manager, now=started_at)
        return assignment

    def take_look(self, code: str, *, truths: Truths, now: datetime) -> ReportDocument:
        """Compute the first stage's report without a lock, then freeze it; the pilot then stands at its gate."""
        with self.database.reading() as session:
            pilot = pilot_by_code(session, code)
            document = compute_report(session, pilot, 1, lake=self.lake, now=now, truths=truths)
        with self.database.unit_of_work() as session:
            return read_document(freeze(session, document, actor=self.people[MANAGER], now=now).document)
