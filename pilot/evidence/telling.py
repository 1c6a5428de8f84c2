"""Who is told about a frozen report: author and executives; of a broken guardrail analysts too; and their deputies."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pilot.access.model import Role
from pilot.access.permissions import Permission
from pilot.access.queries import people_with
from pilot.access.standing import with_deputies
from pilot.evidence.document import ReportDocument
from pilot.evidence.model import FrozenReport
from pilot.evidence.recommendation import RuleCode
from pilot.evidence.sentences import report_ready
from pilot.notices.kinds import NoticeKind
from pilot.notices.service import announce
from pilot.planning.metrics import library_metric
from pilot.planning.model import Pilot
from pilot.planning.queries import business_day
from pilot.planning.telling import could_sign
from pilot.programs.model import Variant
from pilot.words import N_, Message, listed

_BREACHED = N_("The report on stage {stage} of “{pilot}” shows that a guardrail is broken: {metrics}.")


def report_frozen(session: Session, pilot: Pilot, report: FrozenReport, document: ReportDocument, at: datetime) -> None:
    """The gate is reached; and where the report shows it, a guardrail is broken."""
    recommended = document.recommendation
    facts = {
        "pilot": pilot.code,
        "stage": report.stage_number,
        "look": report.look,
        "report": report.code,
        "report_hash": report.hash,
        "recommendation": report.recommendation,
        **({"without": list(recommended.dropped)} if recommended.dropped else {}),
    }
    link = f"/pilots/{pilot.code}/reports/{report.code}"
    deciders = could_sign(session, Permission.DECISION_MAKE, pilot, at)
    announce(
        session,
        NoticeKind.GATE_REACHED,
        report_ready(pilot.name, report.stage_number, recommended.choice, _names(session, pilot, recommended.dropped)),
        link=link,
        at=at,
        on_page=[pilot.owner_id],
        by_mail=deciders,
        facts=facts,
    )
    broken = [rule for rule in recommended.rules if rule.rule is RuleCode.GUARDRAIL_NOT_BROKEN and not rule.passed]
    if not broken:
        return
    titles = [library_metric(code).title for code in dict.fromkeys(rule.metric for rule in broken) if code]
    values = {"stage": report.stage_number, "pilot": pilot.name, "metrics": listed(titles)}
    rows = [
        {"variant": rule.variant, "metric": rule.metric, "best_case": rule.value, "limit": rule.threshold}
        for rule in broken
    ]
    analysts = with_deputies(
        session, (user.id for user in people_with(session, Role.ANALYST)), today=business_day(session, at)
    )
    announce(
        session,
        NoticeKind.GUARDRAIL_BREACHED,
        Message("guardrail_breached", _BREACHED, values),
        link=link,
        at=at,
        on_page=[pilot.owner_id, *analysts, *deciders],
        facts={**facts, "guardrails": rows},
    )


def _names(session: Session, pilot: Pilot, variants: Iterable[str]) -> list[str]:
    """What the program calls these variants."""
    query = select(Variant.code, Variant.name).where(Variant.program_id == pilot.program_id)
    named = dict(session.execute(query).all())
    return [named.get(code, code) for code in variants]
