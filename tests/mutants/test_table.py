"""The table of mutants keeps step with the package; whether tests notice the mutants, `make test-mutants` finds out."""

import pytest

from tests.mutants.table import ROOT, Mutant, mutated, read_table


def test_the_text_of_each_mutant_is_in_its_module_once_and_the_change_is_python() -> None:
    mutants = read_table()
    assert len(mutants) > 200
    for mutant in mutants:
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        changed = mutated(source, mutant)
        assert changed != source, mutant
        compile(changed, mutant.file, "exec")


def test_no_mutant_stands_twice_and_its_tests_exist() -> None:
    mutants = read_table()
    assert len({(mutant.file, mutant.text, mutant.replacement) for mutant in mutants}) == len(mutants)
    files = {test.partition("::")[0] for mutant in mutants for test in mutant.tests}
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_a_text_that_is_gone_or_stands_twice_is_an_error() -> None:
    mutant = Mutant("a.py", (), "x < y", "x <= y")
    assert mutated("if x < y:", mutant) == "if x <= y:"
    for source in ("if x > y:", "x < y or x < y"):
        with pytest.raises(ValueError, match=r"a\.py has [02] times, not once: 'x < y'"):
            mutated(source, mutant)
