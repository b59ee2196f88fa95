"""What pages quote stands in what they quote."""

from pathlib import Path

from mae_bench.metrics.catalogue import MEANINGS
from mae_bench.review.verification import BADGES

ROOT = Path(__file__).resolve().parents[1]


def test_the_glossary_has_the_meaning_of_every_metric() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    escaped = {name: meaning.replace("|", "\\|") for name, meaning in MEANINGS.items()}
    assert [name for name, meaning in escaped.items() if f"| `{name}` | {meaning} |" not in page] == []


def test_the_page_about_submitting_has_the_words_of_the_badges() -> None:
    page = (ROOT / "docs" / "submitting.md").read_text(encoding="utf-8")
    assert [name for name, sentence in BADGES.items() if f"| {name} | {sentence} |" not in page] == []
