"""The plan of the house: which room may import which, what outside code relies on, and what needs no torch."""

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_ERROR, EXIT_STATUS_SUCCESS, lint_imports

import mae_bench
import mae_bench.vae
from mae_bench.metrics.settings import DensitySettings, PosteriorSettings, ProbeSettings
from mae_bench.planning.suites import Suite, Table, TableRow
from mae_bench.planning.task import DataSettings, Protocol, ReportedRow, SplitSizes, Task, TrainingSettings
from mae_bench.records.schema import (
    Environment,
    EpochRow,
    Hashes,
    Metric,
    Record,
    TrainedSection,
    TrainingSection,
)
from mae_bench.records.store import Store

ROOT = Path(__file__).resolve().parents[1]

WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from mae_bench.cli import main
main(sys.argv[1:])
"""


def lint(config: Path) -> int:
    return lint_imports(config_filename=str(config), cache_dir=None)


def test_every_room_imports_from_the_floors_below_it_alone(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint(ROOT / "pyproject.toml") == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("planning/plan.py", "from mae_bench.records.schema import Record"),
        ("executors/run.py", "from mae_bench.report.layout import Layout"),
        ("report/frames.py", "from mae_bench.api.results import Results"),
        ("report/layout.py", "import torch"),
        ("report/layout.py", "from mae_bench.job.trained import load_model"),
        ("adapter.py", "from mae_bench.foundation.errors import UsageError"),
        ("attic.py", ""),
    ],
)
def test_an_import_that_runs_upwards_and_a_room_without_a_floor_are_found(tmp_path, room, line):
    """On a copy of the package, in a process of its own, since the linter imports what it reads."""
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for path in (ROOT / "mae_bench").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    with (tmp_path / "mae_bench" / room).open("a") as file:
        file.write(f"\n{line}\n")
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == EXIT_STATUS_ERROR
    assert room.removesuffix(".py").replace("/", ".") in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "leaderboard/results"], "0 faults"),
        (["compare", "tests/golden/records", "tests/golden/records", "--fail-on-regression"], "0 worse"),
        (["leaderboard", "--tasks", "digits"], "digits, preset small"),
        (["leaderboard", "--html", "{folder}/site"], "index.html"),
        (["submit", "tests/golden/records", "--to", "{folder}/board"], "rendered"),
        (["list", "tasks"], "mnist"),
        (["status", "leaderboard/results"], "done"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_boards_are_read_checked_compared_and_rendered_without_torch_and_scikit_learn(tmp_path, arguments, said):
    given = [argument.format(folder=tmp_path) for argument in arguments]
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *given], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert said in result.stdout


@pytest.mark.parametrize(
    "name",
    [
        "mae_bench.metrics.posterior.mutual_posterior_divergence",
        "mae_bench.metrics.posterior.posterior_divergence_std",
        "mae_bench.metrics.posterior.pairwise_kl",
        "mae_bench.metrics.density.importance_weighted_nll",
        "mae_bench.vae.objectives.diversity_loss",
        "mae_bench.vae.objectives.smoothness_loss",
        "mae_bench.testing.check_adapter",
        "mae_bench.testing.check_file",
        "mae_bench.data.arrays.Arrays",
        "mae_bench.cli.main",
        *(f"mae_bench.{name}" for name in mae_bench.__all__),
        *(f"mae_bench.vae.{name}" for name in mae_bench.vae.__all__),
    ],
)
def test_what_outside_code_relies_on_is_there(name):
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute) is not None


VAE_NAMES = {
    "AutoregressiveModel",
    "ELBO",
    "GaussianInContext",
    "HierarchicalVAE",
    "ImportanceWeighted",
    "InfoVAEObjective",
    "MLP",
    "MLPDecoder",
    "MutualPosteriorDivergence",
    "VAE",
    "VampPrior",
    "WeightedELBO",
    "autoregressive_networks",
    "bernoulli_log_likelihood",
    "categorical_pixels",
    "draw_from",
    "factorised_networks",
    "gaussian_of",
    "inverse_flow_networks",
    "log_density_of",
    "merged",
    "mixture_pixels",
    "mlp_networks",
    "size_at",
    "standard_gaussian",
}
"""What outside code may import from `mae_bench.vae`."""


def test_the_names_for_models_are_these():
    assert {"Adapter", "DataSpec", "DiagonalGaussian", "FitContext", "Images", "ImportanceTerms", "Loss"} < set(
        mae_bench.__all__
    )
    assert set(mae_bench.vae.__all__) == VAE_NAMES


def test_the_names_for_scripts_and_notebooks_are_these():
    assert {"run", "Results", "load_results", "load_data", "evaluate"} < set(mae_bench.__all__)


def test_the_command_is_installed():
    (command,) = [point for point in entry_points(group="console_scripts") if point.name == "mae-bench"]
    assert command.value == "mae_bench.cli:main"


def test_a_test_that_an_older_new_model_wrote_still_works():
    from mae_bench.registry import load_adapter_class

    assert load_adapter_class(str(ROOT / "docs" / "examples" / "my_vae.py")).__name__ == "MyVAE"


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        (Task, "name version title description seed data presets reported tolerances"),
        (Protocol, "training density posterior probes subset"),
        (
            DataSettings,
            "source sha256 git_blob shape likelihood levels classes train_size validation_size test_size",
        ),
        (
            TrainingSettings,
            "batch_size initialisation_images learning_rate learning_rate_decay adam_betas gradient_clip polyak_decay "
            "patience halvings max_epochs",
        ),
        (DensitySettings, "importance_samples images_per_shard samples_per_chunk test_images"),
        (PosteriorSettings, "test_images active_unit_variance"),
        (
            ProbeSettings,
            "label_counts label_draws kmeans_clusters kmeans_starts kmeans_images knn_neighbours logistic_c "
            "logistic_max_iterations svm_label_counts svm_c svm_gamma_times_dimensions svm_max_iterations "
            "svm_all_dimensions",
        ),
        (SplitSizes, "train validation test"),
        (ReportedRow, "model citation metrics spreads"),
        (Suite, "title seeds models tasks tables"),
        (Table, "title task metrics rows"),
        (TableRow, "model reported"),
        (
            Record,
            "schema_version key model task preset seed precision engine_version protocol metrics not_supported "
            "nll_by_samples training clocks peak_memory_mib hashes environment created record_hash trained",
        ),
        (Metric, "value stderr n unit direction draws reason"),
        (TrainingSection, "status reason epochs steps best_epoch parameters compiled curve"),
        (EpochRow, "epoch step learning_rate train validation_negative_elbo"),
        (TrainedSection, "key task preset protocol"),
        (Hashes, "protocol data validation_bits test_bits adapter_source"),
        (Environment, "python torch mae_bench platform processor device threads git_commit git_dirty"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_files_have_these_keys(section, keys):
    """A key that goes, or changes its name, breaks tasks, suites and records that others have written."""
    assert set(keys.split()) <= set(section.model_fields)


def test_the_store_has_these_paths(digits_task, make_record):
    record = make_record("mae")
    assert Store(Path("results")).path_of(record) == Path(f"results/digits/small/mae/{record.key}.json")
