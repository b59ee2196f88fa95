"""The jobs of which `make throughput` measures the rate can be planned and run."""

from benchmarks import throughput
from mae_bench.executors.local import InProcess
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models, resolve_tasks
from mae_bench.records.store import Store
from mae_bench.report.progress import PlainDisplay


def test_jobs_without_work_run(tmp_path):
    folder = throughput.HERE
    jobs = plan(resolve_models(str(folder / "nothing.py")), resolve_tasks(str(folder / "nothing.toml")), "smoke", [0])
    with (tmp_path / "output.txt").open("w") as stream:
        summary, _ = throughput.run(InProcess("cpu"), jobs, Store(tmp_path), PlainDisplay(1, stream))
    [(_, record)] = summary.done
    assert record.training.epochs == 0


def test_the_grid_can_be_planned():
    assert len(plan(resolve_models(throughput.GRID), resolve_tasks("digits"), "small", [0])) == 4
