"""docs/findings.md says what the published records give."""

import pytest

from leaderboard.findings import FINDINGS, TABLES, Finding, in_the_paper, marks


@pytest.mark.parametrize(
    "finding", FINDINGS, ids=lambda finding: f"{finding.metric}-{finding.lower.name}-{finding.higher.name}"
)
def test_the_paper_has_the_order_that_a_finding_says(finding: Finding) -> None:
    lower, higher = in_the_paper(finding)
    assert lower < higher


@pytest.mark.parametrize("name", TABLES)
def test_the_page_shows_what_the_published_records_give(name: str) -> None:
    begin, end = marks(name)
    page, table = TABLES[name]
    _, _, rest = page.read_text(encoding="utf-8").partition(begin)
    assert rest.partition(end)[0] == table(), "write the tables anew: make findings"
