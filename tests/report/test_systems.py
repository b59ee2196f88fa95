"""How pages call models: short where that is enough, and nothing said that the model's own text does not say."""

import inspect

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.content import content_folder
from mae_bench.planning.registry import load_adapter_class
from mae_bench.report.systems import FAMILIES, OTHER, SYSTEMS, family_of, name_rows, short_label, written_defaults


def test_every_title_is_of_a_built_in_model_and_every_family_has_one():
    assert all((content_folder("baselines") / f"{name}.py").is_file() for name in SYSTEMS)
    assert {family for _, family in SYSTEMS.values()} == FAMILIES.keys() - {OTHER}
    assert family_of("my_flow") == OTHER


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_written_defaults_are_those_of_the_constructor(name):
    parameters = list(inspect.signature(load_adapter_class(name)).parameters.values())[2:]
    assert written_defaults(name) == {one.name: one.default for one in parameters}


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("mae", {"diversity": "paper", "eta": 1.0, "gamma": 0.5}, "MAE η=1, γ=0.5"),
        ("mae", {"diversity": "mean", "eta": 2.0, "gamma": 0.1}, "MAE diversity=mean, η=2, γ=0.1"),
        ("vlae", {"free_bits": 0.01}, "VLAE"),
        ("vlae", {"free_bits": 0.0}, "VLAE free_bits=0"),
        ("beta_vae", {"beta": 10.0}, "β-VAE β=10"),
        ("pca", {"components": 32}, "PCA"),
        ("resnet_vae", {}, "ResNet VAE"),
        ("mine", {"beta": 4.0, "dims": [16, 8], "on": True}, "mine β=4, dims=[16,8], on=true"),
        ("mine", {"text": "\x1b[31m"}, "mine text=\\x1b[31m"),
    ],
)
def test_short_names(name, params, expected):
    assert short_label(name, params) == expected


def test_rows_of_one_short_name_keep_their_full_ones_and_every_row_has_a_key_of_its_own(make_record, digits_task):
    records = [
        make_record("vlae", params={"free_bits": 0.01}),
        make_record("vlae", params={}),  # of a text without that parameter
        make_record("mae", params={"eta": 1.0}),
        make_record("mae", params={"eta": 1.0}, seed=1, training={"status": "partial"}),
    ]
    (board,) = boards(records, [digits_task])
    found = {naming.full: naming for naming in name_rows(board)}
    assert {full: naming.short for full, naming in found.items()} == {
        "vlae[free_bits=0.01]": "vlae[free_bits=0.01]",
        "vlae": "vlae",
        "mae[eta=1.0]": "MAE η=1",
        "mae[eta=1.0] (seed 1)": "MAE η=1 (seed 1)",
    }
    first, second = found["mae[eta=1.0]"], found["mae[eta=1.0] (seed 1)"]
    assert first.page == second.page == first.key and second.key == f"{first.key}-2"
    assert len({naming.key for naming in found.values()}) == 4
