"""What a notice is about: the four events that systems may listen to, and what else people get by mail."""

from enum import StrEnum

from pilot.words import N_, Message


class NoticeKind(StrEnum):
    """What a notice is about; people choose by kind what reaches them by mail."""

    APPROVAL_WANTED = "approval_wanted"
    GATE_REACHED = "gate_reached"
    GUARDRAIL_BREACHED = "guardrail_breached"
    DECISION_TAKEN = "decision_taken"
    PILOT_NEWS = "pilot_news"
    UPKEEP = "upkeep"
    DIGEST = "digest"
    TEST = "test"


EVENTS: tuple[NoticeKind, ...] = (
    NoticeKind.APPROVAL_WANTED,
    NoticeKind.GATE_REACHED,
    NoticeKind.GUARDRAIL_BREACHED,
    NoticeKind.DECISION_TAKEN,
)
"""What webhooks are called for."""

CHOICES: tuple[NoticeKind, ...] = (*EVENTS, NoticeKind.PILOT_NEWS, NoticeKind.UPKEEP, NoticeKind.DIGEST)
"""What a person may have by mail or not."""

TITLES: dict[NoticeKind, Message] = {
    kind: Message(f"notice_{kind.value}", template)
    for kind, template in {
        NoticeKind.APPROVAL_WANTED: N_("Approval wanted"),
        NoticeKind.GATE_REACHED: N_("Gate reached"),
        NoticeKind.GUARDRAIL_BREACHED: N_("Guardrail breached"),
        NoticeKind.DECISION_TAKEN: N_("Decision taken"),
        NoticeKind.PILOT_NEWS: N_("News of a pilot"),
        NoticeKind.UPKEEP: N_("Upkeep of this installation"),
        NoticeKind.DIGEST: N_("The week in pilots"),
        NoticeKind.TEST: N_("Test"),
    }.items()
}

MEANINGS: dict[NoticeKind, Message] = {
    kind: Message(f"notice_{kind.value}_means", template)
    for kind, template in {
        NoticeKind.APPROVAL_WANTED: N_("A plan or a decision waits for a signature of yours."),
        NoticeKind.GATE_REACHED: N_("A stage is over and its report is frozen."),
        NoticeKind.GUARDRAIL_BREACHED: N_("A report shows that something got worse by more than the plan allows."),
        NoticeKind.DECISION_TAKEN: N_("A decision on a pilot of yours, or one that you signed, took effect."),
        NoticeKind.PILOT_NEWS: N_("A pilot of yours was co-signed, sealed, sent back, or answered on."),
        NoticeKind.UPKEEP: N_("Something about the installation itself needs an administrator."),
        NoticeKind.DIGEST: N_("Every Monday: what waits for you, what was decided, which pilots are under way."),
        NoticeKind.TEST: N_("Sent by an administrator to see whether it arrives."),
    }.items()
}
