"""What the demonstration's people do, each act in units of work of its own, through the rooms' own verbs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pilot.access.model import User
from pilot.assignment.exclusions import excluding
from pilot.assignment.queries import assignment_of
from pilot.database import Database
from pilot.demo.people import ANALYST, EXECUTIVE, MANAGER, SECOND_EXECUTIVE, Account
from pilot.evidence.document import ReportDocument, read_document
from pilot.evidence.model import FrozenReport
from pilot.evidence.recommendation import Recommended
from pilot.evidence.service import compute_report, freeze
from pilot.evidence.truths import Truths
from pilot.governance import service as governance
from pilot.governance import signing
from pilot.governance.model import Choice
from pilot.governance.rules import agrees
from pilot.imports.mapping import guess_mapping
from pilot.imports.model import ImportKind, ImportRun
from pilot.imports.service import publish, remove_staging, stage_import
from pilot.outcomes.importers import importer_for
from pilot.outcomes.lake import Lake
from pilot.planning import service as planning
from pilot.planning.model import PilotState
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
        self, code: str, name: str, variant: tuple[str, str], offers: Sequence[dict[str, Any]], *, now: datetime
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
        """Submit the draft; an executive accepts by name what it cannot prove."""
        with self.database.reading() as session:
            pilot = pilot_by_code(session, code)
            checked = planning.check_submission(session, pilot, lake=self.lake, excluded=excluding(session, pilot))
        if checked.unproven:
            with self.database.unit_of_work() as session:
                pilot = pilot_by_code(session, code)
                signing.accept_unproven(
                    session,
                    pilot,
                    plan_hash=checked.plan_hash,
                    reason="So few stores cannot prove it; what is lost meanwhile is little.",
                    actor=self.people[EXECUTIVE],
                    now=now,
                )
        with self.database.unit_of_work() as session:
            pilot = pilot_by_code(session, code)
            planning.submit(session, pilot, checked=checked, actor=self.people[MANAGER], now=now)

    def cosign(self, code: str, reason: str, *, now: datetime) -> None:
        with self.database.unit_of_work() as session:
            pilot = pilot_by_code(session, code)
            signing.cosign(session, pilot, reason=reason, actor=self.people[ANALYST], now=now)

    def seal(self, code: str, reason: str, *, now: datetime, entropy: bytes) -> None:
        """Approved by as many executives as the policy asks for; the last one seals."""
        for account in (EXECUTIVE, SECOND_EXECUTIVE):
            with self.database.unit_of_work() as session:
                pilot = pilot_by_code(session, code)
                if pilot.state == PilotState.COSIGNED:
                    signing.approve_and_seal(
                        session, pilot, reason=reason, actor=self.people[account], now=now, entropy=entropy
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

    def follow(self, report: str, reason: str, *, now: datetime) -> str:
        """The executives choose what the report recommends, as many of them as it takes; the answer is the choice."""
        for account in (EXECUTIVE, SECOND_EXECUTIVE):
            with self.database.unit_of_work() as session:
                frozen = session.scalars(select(FrozenReport).where(FrozenReport.code == report)).one()
                recommended = Recommended(frozen.recommendation)
                choice = next(choice for choice in Choice if agrees(choice, recommended))
                decision = governance.decide(
                    session, frozen, choice, reason=reason, actor=self.people[account], now=now
                )
                if decision.takes_effect:
                    break
        return choice.value
