import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.job.initial_state import check_models
from mae_bench.planning import registry, suites
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import (
    build_adapter,
    known_tasks,
    list_models,
    list_tasks,
    load_adapter_class,
    resolve_models,
    resolve_tasks,
)
from mae_bench.report import submission

ADAPTER = """
import torch
from mae_bench import Adapter

class Tiny(Adapter):
    \"\"\"A model of the tests,
    in two lines.

    beta: nothing.
    \"\"\"

    def __init__(self, data, preset, beta: float = 1.0):
        super().__init__(data, preset)
        if beta < 0:
            raise ValueError(f"beta is {beta}\\nand more")
        self.weight = torch.nn.Parameter(torch.randn(data.shape))
"""


def run_python(script):
    """The output of a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(content_folder("tasks").parent)}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "my_tiny.py"
    path.write_text(ADAPTER, encoding="utf-8")
    return path


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a package with entry points importable, laid out as by pip."""

    def install(package, entry_points, **files):
        site = tmp_path / f"site_{package}"
        metadata = site / f"{package}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(entry_points)
        for name, text in files.items():
            (site / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(site)
        return site

    return install


def test_the_built_in_models_and_their_defaults():
    labels = [model.label for model in resolve_models("mae,vlae,resnet_vae")]
    assert labels == ["mae[diversity=paper,eta=1.0,gamma=0.5]", "vlae[free_bits=0.01]", "resnet_vae"]


def test_a_grid_is_expanded_and_what_comes_out_equal_runs_once():
    models = resolve_models("mae[eta=[0.5,1,2.0],gamma=[0.1,0.5]],mae,mae[eta=1.0],mae[]")
    grid = [(dict(model.params)["eta"], dict(model.params)["gamma"]) for model in models]
    assert grid == [(0.5, 0.1), (0.5, 0.5), (1.0, 0.1), (1.0, 0.5), (2.0, 0.1), (2.0, 0.5)]


def test_a_label_resolves_to_the_model_that_bears_it():
    (model,) = resolve_models("mae[eta=2,diversity=mean]")
    assert resolve_models(model.label) == [model]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "mea",
            r"no model 'mea'; did you mean mae\?.*Known models: .*chance, .*mae, .*resnet_vae",
        ),
        ("vlae,MAE", r"no model 'MAE'; did you mean mae"),
        ("mae[etta=2]", r"mae has no parameter 'etta'; did you mean eta\?"),
        ("mae[eta=high]", "mae cannot take eta="),
    ],
)
def test_a_wrong_name_ends_with_the_nearest_right_ones(text, fault):
    with pytest.raises(UsageError, match=fault):
        resolve_models(text)


def test_what_a_system_hides_among_tasks_models_and_suites_has_no_name(tmp_path, monkeypatch, make_record):
    for folder, file in (("tasks", "digits.toml"), ("baselines", "mae.py"), ("tasks/suites", "paper-table4.toml")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / file).write_bytes((content_folder("tasks").parent / folder / file).read_bytes())
        (tmp_path / folder / f"._{file}").write_bytes(b"\x00\x05\x16\x07AppleDouble")
    for module in (registry, suites, submission):
        monkeypatch.setattr(module, "content_folder", lambda name: tmp_path / name)
    assert [listing.offer.name for listing in list_models()] == ["mae"]
    assert [listing.offer.name for listing in list_tasks()] == ["digits"]
    assert [listing.name for listing in suites.list_suites()] == ["paper-table4"]
    assert submission._next_steps({tmp_path / "record.json": make_record()}, tmp_path)


def test_a_model_from_a_file_bears_its_classs_name_and_never_its_path(tiny, monkeypatch):
    monkeypatch.chdir(tiny.parent)
    (model,) = resolve_models("my_tiny.py[beta=4]")
    assert (model.name, model.label) == ("Tiny", "Tiny[beta=4.0]")
    assert model == resolve_models(f"{tiny}:Tiny[beta=4.0]")[0]
    monkeypatch.chdir("/")
    assert load_adapter_class(model.code).__name__ == "Tiny"


def test_two_files_that_define_a_model_of_one_name_cannot_run_together(tiny):
    other = tiny.with_name("other.py")
    other.write_text(ADAPTER + "# changed\n", encoding="utf-8")
    with pytest.raises(UsageError, match="two different models are called Tiny"):
        resolve_models(f"{tiny},{other}")


@pytest.mark.parametrize("name", ["Größe", "T" * 65])
def test_a_name_that_no_record_can_bear_is_refused_before_anything_trains(tiny, name):
    tiny.write_text(ADAPTER.replace("class Tiny", f"class {name}"), encoding="utf-8")
    with pytest.raises(UsageError, match=f"cannot be called '{name}'"):
        resolve_models(str(tiny))


@pytest.mark.parametrize("written", ["mae", "my_tiny.py"])
def test_another_process_loads_what_a_reference_names(tiny, monkeypatch, written):
    monkeypatch.chdir(tiny.parent)
    (model,) = resolve_models(written)
    script = "from mae_bench.planning.registry import load_adapter_class as load; "
    script += f"print(load({model.code!r}).__name__)"
    assert run_python(script) == load_adapter_class(written).__name__


def test_an_installed_package_offers_models_by_entry_point(install):
    install("tiny_models", "[mae_bench.models]\ntiny = tiny_module:Tiny\n", tiny_module=ADAPTER)
    (model,) = resolve_models("tiny[beta=2]")
    assert (model.label, model.code) == ("tiny[beta=2.0]", "tiny_module:Tiny")
    listing = {listing.offer.name: listing for listing in list_models()}
    built_in = [file.stem for file in content_folder("baselines").glob("[a-z]*.py")]
    assert {"mae", "chance", "iwae"} < set(built_in)
    assert list(listing) == [*sorted(built_in), "tiny"]
    assert listing["tiny"].offer.place == "entry point of tiny_models, tiny_module:Tiny"
    assert listing["tiny"].description == "A model of the tests, in two lines."
    assert listing["mae"].offer.place == "built in, baselines/mae.py"


def test_a_name_that_two_offer_is_refused_and_the_class_can_be_named_instead(install):
    install("rival", "[mae_bench.models]\nmae = rival_module:Tiny\n", rival_module=ADAPTER)
    with pytest.raises(UsageError, match=r"'mae' is offered several times .*rival.*write module:Class"):
        resolve_models("mae")
    assert resolve_models("rival_module:Tiny")[0].name == "Tiny"


def test_a_broken_package_is_listed_with_its_fault_and_hides_no_other(install):
    install(
        "broken",
        "[mae_bench.models]\nbad = no_such_module_of_broken:Bad\n"
        "[mae_bench.tasks]\nworse = no_such_module_of_broken:TASK\n",
    )
    models = {listing.offer.name: listing.fault for listing in list_models()}
    assert models["mae"] is None
    assert "no_such_module_of_broken" in models["bad"]
    tasks = {listing.offer.name: listing for listing in list_tasks()}
    assert tasks["digits"].fault is None
    assert tasks["worse"].task is None
    assert "no_such_module_of_broken" in tasks["worse"].fault


def test_tasks_by_name_by_path_and_once(digits_task):
    path = content_folder("tasks") / "digits.toml"
    assert resolve_tasks(f"digits,{path},digits") == [digits_task]
    assert {"digits", "mnist"} <= {task.name for task in known_tasks()}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("mnits", r"no task 'mnits'; did you mean mnist"),
        ("nowhere.toml", "nowhere.toml cannot be read"),
        ("a,", "empty item"),
    ],
)
def test_a_wrong_task_is_a_usage_error(text, fault):
    with pytest.raises(UsageError, match=fault):
        resolve_tasks(text)


def changed_digits(folder, **replaced):
    text = (content_folder("tasks") / "digits.toml").read_text(encoding="utf-8")
    for old, new in replaced.values():
        assert old in text
        text = text.replace(old, new)
    path = folder / "changed.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_two_tasks_of_one_name_cannot_run_together(tmp_path):
    changed = changed_digits(tmp_path, seed=("seed = 1797", "seed = 1798"))
    with pytest.raises(UsageError, match="two different tasks are called digits"):
        resolve_tasks(f"digits,{changed}")


@pytest.mark.parametrize("value", ["str(PATH)", "PATH", "lambda: PATH", "lambda: str(PATH)"])
def test_an_entry_point_names_a_path_or_a_function_that_returns_it(install, tmp_path, value):
    path = changed_digits(tmp_path, name=('name = "digits"', 'name = "scans"'))
    module = re.sub(r"\W", "_", f"tasks {value}")
    text = f"from pathlib import Path\nPATH = Path({str(path)!r})\nTASK = {value}\n"
    install("more_tasks", f"[mae_bench.tasks]\nscans = {module}:TASK\n", **{module: text})
    assert [task.name for task in resolve_tasks("scans")] == ["scans"]
    assert known_tasks()[-1].name == "scans"


@pytest.mark.parametrize("value", ["42", "lambda: None", "lambda: 1 / 0"])
def test_an_entry_point_that_gives_no_path_is_a_usage_error(install, value):
    module = re.sub(r"\W", "_", f"no tasks {value}")
    install("no_tasks", f"[mae_bench.tasks]\nnone = {module}:TASK\n", **{module: f"TASK = {value}\n"})
    with pytest.raises(UsageError, match="task 'none', entry point of no_tasks, does not give the path of a TOML file"):
        resolve_tasks("none")


def test_a_value_that_the_constructor_refuses_ends_before_anything_trains(tiny, digits_task):
    jobs = plan(resolve_models(f"{tiny}[beta=[1,-1]]"), [digits_task], "smoke", [0])
    with pytest.raises(
        UsageError, match=r"Tiny\[beta=-1.0\] cannot be built .*\(ValueError at line 15 of my_tiny.py: beta is -1.0\)"
    ):
        check_models(jobs)


def test_checking_models_leaves_the_random_state_as_it_was(tiny, digits_task):
    state = torch.get_rng_state()
    check_models(plan(resolve_models(str(tiny)), [digits_task], "smoke", [0]))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_is_built_with_its_parameters_for_the_data(tiny):
    from mae_bench import DataSpec

    (reference,) = resolve_models("vlae[free_bits=0]")
    model = build_adapter(reference, DataSpec((1, 8, 8), "bernoulli", 100, 10), "smoke")
    assert (type(model).__name__, model.preset, model.data.shape) == ("VLAE", "smoke", (1, 8, 8))
    assert np.prod(build_adapter(resolve_models(str(tiny))[0], model.data, "smoke").weight.shape) == 64


def test_listing_tasks_imports_neither_torch_nor_scikit_learn():
    script = (
        "import sys; from mae_bench.planning.registry import list_tasks; print(len(list_tasks()));"
        "print([name for name in ('torch', 'sklearn', 'pandas', 'rich') if name in sys.modules])"
    )
    count, imported = run_python(script).split("\n")
    assert int(count) >= 2
    assert imported == "[]"
