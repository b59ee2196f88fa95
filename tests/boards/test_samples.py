"""Whether more importance samples may change the order of rows."""

from mae_bench.boards.samples import samples_note


def test_a_row_that_may_still_pass_the_next_better_one_is_named():
    note = samples_note([("late", 81.0, 0.6), ("early", 80.5, 0.1), ("far", 90.0, 2.0)])
    assert "late (81.00, falling by 0.60) and early (80.50)" in note
    assert "far" not in note


def test_falls_that_are_smaller_than_the_differences_need_no_note():
    assert samples_note([("a", 80.0, 3.0), ("b", 81.0, 0.99)]) is None
    assert samples_note([("a", 80.0, None), ("b", 80.1, None), ("c", None, None)]) is None
    assert samples_note([]) is None
