from typing import TYPE_CHECKING, Literal

import pytest

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.parameters import default_parameters, resolve_parameters

if TYPE_CHECKING:
    from nowhere import Nothing


class Annotated:
    def __init__(
        self,
        data,
        preset,
        *,
        eta: float = 1,
        depth: int = 3,
        mode: Literal["paper", "mean"] = "paper",
        exact: bool = False,
        limit: float | None = None,
        layers: tuple[int, ...] = (32, 32),
    ):
        pass


class Bare:
    def __init__(self, data, preset, *, eta=1.0, depth=3, mode="paper", exact=False, limit=None, layers=(32, 32)):
        pass


DEFAULTS = {"eta": 1.0, "depth": 3, "mode": "paper", "exact": False, "limit": None, "layers": [32, 32]}


@pytest.mark.parametrize("constructor", [Annotated, Bare])
def test_every_default_is_resolved_to_json(constructor):
    resolved = resolve_parameters("m", constructor, {})
    assert resolved == DEFAULTS == default_parameters("m", constructor)
    assert type(resolved["eta"]) is float


@pytest.mark.parametrize("constructor", [Annotated, Bare])
def test_a_given_value_replaces_its_default_and_an_integer_becomes_the_number_it_stands_for(constructor):
    resolved = resolve_parameters("m", constructor, {"eta": 2, "limit": 5, "layers": [8]})
    assert resolved == {**DEFAULTS, "eta": 2.0, "limit": 5, "layers": [8]}
    assert type(resolved["eta"]) is float


@pytest.mark.parametrize("constructor", [Annotated, Bare])
@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("eta", "high", "valid number"),
        ("eta", True, "valid number"),
        ("eta", None, "valid number"),
        ("eta", 10**400, "not a finite"),
        ("depth", 2.0, "valid integer"),
        ("depth", True, "valid integer"),
        ("mode", 1, "'paper' or 'mean'|valid string"),
        ("exact", 1, "valid boolean"),
        ("layers", "deep", "valid array"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(constructor, name, value, fault):
    with pytest.raises(UsageError, match=rf"^m cannot take {name}=.*{fault}"):
        resolve_parameters("m", constructor, {name: value})


def test_an_annotation_refuses_what_a_default_alone_would_let_pass():
    assert resolve_parameters("m", Bare, {"mode": "median"})["mode"] == "median"
    with pytest.raises(UsageError, match="'paper' or 'mean'"):
        resolve_parameters("m", Annotated, {"mode": "median"})


def test_an_unknown_parameter_is_refused_with_the_nearest_and_all_known_ones():
    with pytest.raises(UsageError, match=r"no parameter 'etta'; did you mean eta\?.*depth, eta, exact, layers, limit"):
        resolve_parameters("m", Bare, {"etta": 1.0})


def test_data_and_preset_are_no_parameters():
    with pytest.raises(UsageError, match="no parameter 'preset'"):
        resolve_parameters("m", Bare, {"preset": "paper"})


def test_a_required_parameter_has_to_be_given():
    class Required:
        def __init__(self, data, preset, *, beta: float):
            pass

    with pytest.raises(UsageError, match=r"needs a value for its parameter beta; write m\[beta=...\]"):
        resolve_parameters("m", Required, {})
    assert resolve_parameters("m", Required, {"beta": 4}) == {"beta": 4.0}
    assert default_parameters("m", Required) == {"beta": "..."}


def test_a_constructor_with_any_parameters_takes_any_name():
    class Anything:
        def __init__(self, data, preset, eta=1.0, **others):
            pass

    assert resolve_parameters("m", Anything, {"colour": "blue"}) == {"eta": 1.0, "colour": "blue"}
    with pytest.raises(UsageError, match="eta"):
        resolve_parameters("m", Anything, {"eta": "blue"})


def test_an_annotation_that_cannot_be_resolved_leaves_the_type_of_the_default():
    class Unresolved:
        def __init__(self, data: "Nothing", preset, eta: float = 1.0):
            pass

    assert resolve_parameters("m", Unresolved, {"eta": 2}) == {"eta": 2.0}
    with pytest.raises(UsageError, match="valid number"):
        resolve_parameters("m", Unresolved, {"eta": "x"})


@pytest.mark.parametrize("default", [float("nan"), object()])
def test_a_default_that_is_no_json_cannot_be_part_of_a_key(default):
    class Odd:
        def __init__(self, data, preset, odd=default):
            pass

    with pytest.raises(UsageError, match="default of odd is not a finite JSON value"):
        resolve_parameters("m", Odd, {})
