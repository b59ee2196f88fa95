"""Names of trackers: built in, of packages, wrong ones; packages that are missing or broken."""

import pytest

from mae_bench.foundation.errors import UsageError
from mae_bench.trackers.registry import BUILT_IN, check_names, load_package, load_tracker


def test_names_come_with_commas_or_one_by_one_and_once():
    assert check_names("tensorboard, wandb") == ["tensorboard", "wandb"]
    assert check_names(["mlflow,wandb", "wandb"]) == ["mlflow", "wandb"]
    assert check_names([]) == []


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("tensorbord", "no tracker 'tensorbord'; did you mean tensorboard"),
        ("wandb,", "no tracker ''"),
        ("", "no tracker ''"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(given, fault):
    with pytest.raises(UsageError, match=fault):
        check_names(given)


def test_what_a_package_offers_has_a_name_too(notes):
    assert check_names("notes") == ["notes"]
    assert load_tracker("notes").__module__ == "notes_module"
    with pytest.raises(UsageError, match=r"did you mean notes\?.*Known trackers: mlflow, notes, tensorboard, wandb"):
        check_names("note")


def test_a_name_that_two_offer_is_refused(install):
    install("rival", "[mae_bench.trackers]\nwandb = rival_module:Rival\n")
    with pytest.raises(UsageError, match=r"'wandb' is offered several times \(.*rival_module:Rival\)"):
        check_names("wandb")


def test_a_package_that_fails_is_named(install):
    install("broken", "[mae_bench.trackers]\nbad = broken_module:Bad\n", broken_module="1 / 0\n")
    with pytest.raises(UsageError, match=r"bad cannot be imported from broken_module:Bad \(ZeroDivisionError"):
        load_tracker("bad")


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(UsageError, match=r"^the tracker mine needs its package; install it with pip .*\[mine\]'\.$"):
        load_package("no_such_package_at_all.part", "mine")


def test_a_package_that_lacks_another_says_so(install):
    install("half", "", half_module="import no_such_package_at_all\n")
    with pytest.raises(UsageError, match=r"needs its package, which cannot be imported \(ModuleNotFoundError"):
        load_package("half_module", "mine")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_one_is_loaded_without_its_package(name, monkeypatch):
    """A run names what is missing by itself, so its class must be there."""
    for package in ("tensorboard", "mlflow", "wandb"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    tracker = load_tracker(name)
    with pytest.raises(UsageError, match=rf"the tracker {name} needs its package.*mae-bench\[{name}\]"):
        tracker.look(None)
