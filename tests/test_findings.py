"""docs/findings.md says what the published records give."""

import pytest

from leaderboard.findings import BEGIN, END, FINDINGS, PAGE, Finding, in_the_paper, table


@pytest.mark.parametrize(
    "finding", FINDINGS, ids=lambda finding: f"{finding.metric}-{finding.lower.name}-{finding.higher.name}"
)
def test_the_paper_has_the_order_that_a_finding_says(finding: Finding) -> None:
    lower, higher = in_the_paper(finding)
    assert lower < higher


def test_the_page_shows_what_the_published_records_give() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert rest.partition(END)[0] == table(), "write the table anew: make findings"
