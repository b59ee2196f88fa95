"""CITATION.cff: the keys that CFF 1.2.0 requires, and what it says is what the rest of the repository says."""

import re
from pathlib import Path

import pytest
import yaml

from mae_bench import __version__

ROOT = Path(__file__).resolve().parents[1]
TYPES = {"software", "dataset"}
REFERENCE_KEYS = {"type", "title", "authors"}
"""What every reference must have."""


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def is_author(entry):
    """A person has names, an entity one name."""
    return isinstance(entry.get("name") or entry.get("family-names"), str)


def test_the_required_keys_are_there(citation):
    assert citation["cff-version"] == "1.2.0"
    assert isinstance(citation["title"], str) and isinstance(citation["message"], str)
    assert citation["authors"] and all(map(is_author, citation["authors"]))
    assert citation["type"] in TYPES


def test_every_reference_has_a_type_a_title_and_authors(citation):
    for reference in citation["references"]:
        assert reference.keys() >= REFERENCE_KEYS
        assert reference["authors"] and all(map(is_author, reference["authors"]))


def test_it_agrees_with_the_package(citation):
    assert citation["version"] == __version__
    assert f'license = "{citation["license"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_paper_is_the_one_that_the_page_about_citing_names(citation):
    (title,) = re.findall(
        r"^  title += \{(.*)\},$", (ROOT / "docs" / "citing.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert re.sub(r"[{}]", "", title) in {reference["title"] for reference in citation["references"]}
