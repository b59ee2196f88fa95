"""What a record says of the software and the machine, however a system describes itself."""

import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
import sklearn
import torch

import mae_bench
from mae_bench.job import environment
from mae_bench.job.environment import describe_environment
from mae_bench.records.schema import LONGEST_DESCRIPTION
from mae_bench.review.machine import environment_faults

CPU = torch.device("cpu")


def test_the_versions_of_all_that_makes_the_numbers():
    found = describe_environment(CPU)
    assert (found.torch, found.numpy, found.scikit_learn) == (torch.__version__, np.__version__, sklearn.__version__)
    assert (found.python, found.mae_bench) == (platform.python_version(), mae_bench.__version__)
    assert (found.device, found.threads) == ("cpu", torch.get_num_threads())
    assert list(environment_faults(found)) == []


def test_a_package_without_metadata_has_no_version(monkeypatch):
    def no_numpy(distribution):
        if distribution == "numpy":
            raise PackageNotFoundError(distribution)
        return version(distribution)

    monkeypatch.setattr(environment, "version", no_numpy)
    found = describe_environment(CPU)
    assert (found.numpy, found.scikit_learn) == (None, sklearn.__version__)
    assert list(environment_faults(found)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  AMD EPYC 7B13 \n", "AMD EPYC 7B13"),
        ("", "unknown"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("x" * 500, "x" * LONGEST_DESCRIPTION),
    ],
    ids=["spaces", "nothing", "control characters", "endless"],
)
def test_a_machine_is_described_as_a_record_can_hold_it(monkeypatch, text, said):
    monkeypatch.setattr(environment, "processor", lambda: text)
    found = describe_environment(CPU)
    assert found.processor == said
    assert list(environment_faults(found)) == []
