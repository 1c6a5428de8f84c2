"""What overrides a recommendation, what goes network-wide, and how many have to agree."""

import pytest

from pilot.evidence.recommendation import Recommended
from pilot.governance.model import Choice
from pilot.governance.rules import goes_network_wide, is_override, signatures_needed

AGREEING = {
    (Recommended.ADVANCE, Choice.APPROVE),
    (Recommended.ADVANCE, Choice.APPROVE_SOME),
    (Recommended.EXTEND, Choice.EXTEND),
    (Recommended.STOP, Choice.STOP),
}


@pytest.mark.parametrize("recommended", list(Recommended))
@pytest.mark.parametrize("choice", [Choice.APPROVE, Choice.APPROVE_SOME, Choice.EXTEND, Choice.STOP])
def test_every_choice_but_the_recommended_one_is_an_override(recommended: Recommended, choice: Choice) -> None:
    assert is_override(choice, recommended) is ((recommended, choice) not in AGREEING)


@pytest.mark.parametrize("recommended", list(Recommended))
def test_sending_back_overrides_nothing(recommended: Recommended) -> None:
    assert not is_override(Choice.SEND_BACK, recommended)


@pytest.mark.parametrize(
    ("choice", "is_last", "next_is_network", "expected"),
    [
        (Choice.APPROVE, True, False, True),
        (Choice.APPROVE, False, True, True),
        (Choice.APPROVE, False, False, False),
        (Choice.APPROVE_SOME, False, True, True),
        (Choice.APPROVE_SOME, False, False, False),
        (Choice.EXTEND, True, False, False),
        (Choice.STOP, True, False, False),
    ],
)
def test_approving_the_way_to_the_network_is_network_wide(
    choice: Choice, is_last: bool, next_is_network: bool, expected: bool
) -> None:
    assert goes_network_wide(choice, is_last_stage=is_last, next_is_network=next_is_network) is expected


def test_overrides_and_the_network_take_two_executives_whatever_the_policy_says() -> None:
    def needed(choice: Choice = Choice.APPROVE, *, override: bool = False, wide: bool = False, policy: int = 1) -> int:
        return signatures_needed(choice, override=override, network_wide=wide, by_policy=policy)

    assert needed() == 1
    assert needed(override=True) == 2
    assert needed(wide=True) == 2
    assert needed(policy=3) == needed(policy=3, override=True) == 3
    assert needed(Choice.SEND_BACK, policy=3) == 1
