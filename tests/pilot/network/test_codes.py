"""The natural order of codes."""

from hypothesis import given
from hypothesis import strategies as st

from pilot.network.codes import in_order


def test_numbers_go_by_value_and_before_texts() -> None:
    assert in_order(["A10", "309", "31", "A9", "007", "7", "31"]) == ["007", "7", "31", "309", "A10", "A9"]


@given(st.lists(st.text(min_size=1, max_size=8)))
def test_the_order_does_not_depend_on_the_order_in_which_codes_come(codes: list[str]) -> None:
    assert in_order(codes) == in_order(reversed(codes))
