"""What can be told of CUDA graphs without a GPU; the steps themselves are tested in tests/gpu/test_cuda_graph.py."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.foundation.errors import UsageError
from mae_bench.job.cuda_graph import check_cuda_graph, plain_state
from tests.job.test_training import FixedImages, context, fresh_model


def test_a_processor_records_no_graph(tmp_path: Path) -> None:
    """Told before any training, by the command and by a training whose executor does not know the device."""
    options = ["-m", "vlae", "-t", "digits", "--preset", "smoke", "--device", "cpu", "-o", str(tmp_path / "results")]
    result = CliRunner().invoke(main, ["run", *options, "--cuda-graph"])
    assert result.exit_code == 2
    assert "--cuda-graph records steps on a GPU, and the device is cpu; leave it out." in result.stderr
    assert not (tmp_path / "results").exists()
    with pytest.raises(UsageError, match="records steps on a GPU"):
        context(tmp_path, cuda_graph=True).train(fresh_model(), FixedImages(40), FixedImages(12))


def test_a_step_is_not_both_compiled_and_recorded() -> None:
    check_cuda_graph(torch.device("cuda", 0), compiled=False)
    with pytest.raises(UsageError, match="give one of them"):
        check_cuda_graph(torch.device("cuda", 0), compiled=True)


def test_what_a_model_keeps_in_python_is_seen() -> None:
    """Numbers and words of every module; not tensors, which a replay changes too."""
    model = fresh_model()
    before = plain_state(model)
    assert plain_state(model) == before
    model.taken = 3  # type: ignore[assignment]
    model.register_buffer("steps", torch.zeros(()))
    after = plain_state(model)
    assert {name for name in after if before.get(name) != after[name]} == {"taken"}
    model.inner = torch.nn.Identity()
    model.inner.rate = 0.5  # type: ignore[assignment]
    assert plain_state(model)["inner.rate"] == 0.5
