"""Records of every schema version that was ever published stay readable; `samples/` keeps one of each."""

import json
import re
from pathlib import Path

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.errors import RecordError
from mae_bench.records.schema import SCHEMA_VERSION
from mae_bench.records.store import read_record
from mae_bench.report.markdown import render_boards

SAMPLES = Path(__file__).parent / "samples"


def test_every_version_has_a_sample():
    assert {path.name for path in SAMPLES.iterdir()} == {
        f"schema_version_{version}.json" for version in range(1, SCHEMA_VERSION + 1)
    }


def test_a_record_of_version_1_says_what_it_said():
    record = read_record(SAMPLES / "schema_version_1.json")
    assert (record.task.name, record.preset, record.model.name, record.seed) == ("mnist", "small", "resnet_vae", 1)
    assert record.key == "4cc23857c1ddee7e23857ef7d6d3de7fe1720548877fa21b8fe8f05f6d4ed309"
    assert record.metrics["nll"].value == pytest.approx(91.51081497659692, abs=1e-12)
    assert record.metrics["knn_all"].n == 10000
    assert record.training.curve[0].epoch == 1
    assert "| resnet_vae" in render_boards(boards([record], []))


@pytest.mark.parametrize(
    ("writer", "remedy"),
    [
        ("3.1.0", "upgrade mae-bench to 3.1.0, which wrote it, or newer."),
        ("3.1.0; rm -rf /", "upgrade mae-bench."),
        (["3.1.0"], "upgrade mae-bench."),
        (None, "upgrade mae-bench."),
    ],
)
def test_a_newer_version_names_the_mae_bench_to_install(tmp_path, writer, remedy):
    content = json.loads((SAMPLES / "schema_version_1.json").read_text(encoding="utf-8"))
    content |= {"schema_version": SCHEMA_VERSION + 1, "energy": {"joules": 3.0}}
    content["environment"]["mae_bench"] = writer
    path = tmp_path / "newer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RecordError, match=f"newer.json has schema version {SCHEMA_VERSION + 1} .*{re.escape(remedy)}$"):
        read_record(path)
