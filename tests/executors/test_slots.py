"""Slots and the processes behind them; real jobs whose processes die are in tests/faults."""

import io
import os
import queue
import sys
import threading

import pytest
import torch

from mae_bench.executors import slots
from mae_bench.executors.run import run_jobs
from mae_bench.executors.slots import Slots, plan_slots
from mae_bench.executors.worker import OUTPUT_FILE
from mae_bench.foundation.errors import UsageError
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.records.store import Store
from mae_bench.report.progress import PlainDisplay


@pytest.fixture
def machine(monkeypatch):
    """`machine(gpus, cores)`: what this machine seems to have."""

    def machine(gpus, cores):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)

    return machine


@pytest.mark.parametrize(
    ("devices", "count", "names", "threads"),
    [
        ("cpu", 2, ["cpu", "cpu"], "4"),
        ("cpu,cpu", None, ["cpu", "cpu"], "4"),
        ("cpu", 16, ["cpu"] * 16, "1"),
        ("cuda:0, cuda:1", None, ["cuda:0", "cuda:1"], "4"),
        ("cuda:0,cuda:1", 4, ["cuda:0", "cuda:1", "cuda:0", "cuda:1"], "2"),
        ("auto", None, ["cuda:0", "cuda:1", "cuda:2"], "2"),
        ("auto", 1, ["cuda:0"], "8"),
    ],
)
def test_devices_are_dealt_in_turn_and_cores_shared_out(*, machine, devices, count, names, threads):
    machine(gpus=3, cores=8)
    planned = plan_slots(devices, count)
    assert [slot.name for slot in planned] == names
    assert {slot.environment["OMP_NUM_THREADS"] for slot in planned} == {threads}
    visible = [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in planned]
    assert visible == [name.partition(":")[2] for name in names]
    assert [slot.device for slot in planned] == [name.partition(":")[0] for name in names]


def test_what_the_user_set_is_kept(machine, monkeypatch):
    machine(gpus=2, cores=8)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert [slot.environment for slot in plan_slots("auto", None)] == [
        {"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": "5"},
        {"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": "7"},
    ]


@pytest.mark.parametrize(("given", "each"), [(" 3 ", "3"), ("4,2", "4,2"), ("", "4"), (" ", "4")])
def test_a_list_of_threads_is_handed_on_and_an_empty_one_is_none(machine, monkeypatch, given, each):
    machine(gpus=0, cores=8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert [slot.environment["OMP_NUM_THREADS"] for slot in plan_slots("cpu", 2)] == [each] * 2


@pytest.mark.parametrize("given", ["abc", "0", "-1", "4,", "1e3"])
def test_garbage_is_not_handed_on(machine, monkeypatch, given):
    machine(gpus=0, cores=8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    with pytest.raises(UsageError, match="is no number of threads; set it to a whole number above zero, or unset it"):
        plan_slots("cpu", 2)


@pytest.mark.parametrize("device", ["cuda:3", "cuda:x", "cuda:", "gpu", "cpu,cuda:9"])
def test_a_device_that_is_not_there(machine, device):
    machine(gpus=3, cores=8)
    with pytest.raises(UsageError, match="cannot be used here"):
        plan_slots(device, None)


def test_without_a_gpu_auto_is_the_cpu(machine):
    machine(gpus=0, cores=2)
    assert [slot.name for slot in plan_slots("auto", 2)] == ["cpu", "cpu"]


@pytest.fixture
def outcomes(digits_task, tmp_path):
    """`outcomes()`: what two jobs in one slot come to, each within a minute; a run that waits for ever fails."""
    jobs = plan(resolve_models("vlae"), [digits_task], "smoke", [0, 1])

    def outcomes():
        found = queue.SimpleQueue()

        def run():
            for result in Slots(plan_slots("cpu", 1)).run(jobs, Store(tmp_path), JobSettings(), report=None):
                found.put(result.outcome)

        threading.Thread(target=run, daemon=True).start()
        return [found.get(timeout=60) for _ in jobs]

    return outcomes


@pytest.mark.parametrize(
    ("last_deed", "said"),
    [
        ("""os.write(1, b'{"record": {"sch'); os.kill(os.getpid(), 9)""", "its process was killed (SIGKILL)"),
        ("""os.write(1, b'{"record": {}'); sys.exit(3)""", "its process ended with status 3"),
        ("""os.write(1, b'nonsense\\n')""", "its process cannot be started or understood (JSONDecodeError"),
        ("""os.write(1, b'{"record": {}}\\n')""", "its process cannot be started or understood (ValidationError"),
        ("""os.write(1, b'{}\\n')""", "its process cannot be started or understood (KeyError"),
    ],
)
def test_a_process_that_dies_in_the_midst_of_its_reply_or_babbles_fails_its_job_alone(
    *, outcomes, monkeypatch, tmp_path, last_deed, said
):
    impostor = tmp_path / "python"
    impostor.write_text(f"#!{sys.executable}\nimport os, sys; sys.stdin.readline(); {last_deed}\n")
    impostor.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(impostor))
    for outcome in outcomes():
        assert said in outcome
        assert "run it again" in outcome


def test_a_process_that_cannot_be_started_is_said_with_a_remedy(outcomes, monkeypatch):
    def refuse(environment):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(slots, "WorkerProcess", refuse)
    for outcome in outcomes():
        assert "Resource temporarily unavailable" in outcome
        assert "fewer --jobs" in outcome


SHOUTING = '''
from mae_bench import Adapter

class Shouting(Adapter):
    """Prints, and then fails in its fit."""

    def fit(self, train, validation, context):
        print("to standard output")
        raise ValueError("no")
'''


def test_jobs_run_in_processes_and_leave_equal_records(digits_task, tmp_path):
    """Two processes with one thread each against this one; a job that prints and fails disturbs neither."""
    from mae_bench.executors.local import InProcess

    (tmp_path / "shouting.py").write_text(SHOUTING)
    jobs = plan(resolve_models(f"vlae,resnet_vae,{tmp_path / 'shouting.py'}"), [digits_task], "smoke", [0])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    stores = {}
    for name, executor in (("here", InProcess("cpu")), ("slots", Slots(plan_slots("cpu,cpu", None)))):
        stores[name] = Store(tmp_path / name)
        settings = JobSettings()
        report = PlainDisplay(len(jobs), io.StringIO())
        summary = run_jobs(
            jobs, stores[name], executor, settings, overwrite="only-missing", exit_on_error=False, report=report
        )
        ((failed, sentence),) = summary.failed
        assert sentence.startswith("ValueError at line 9 of shouting.py: no (the traceback is in ")
        assert len(summary.done) == 2
    torch.set_num_threads(before)
    for job in jobs[:2]:
        here, there = (store.find(job) for store in stores.values())
        assert here.metrics == there.metrics
        assert there.environment.threads == 1
    folder = stores["slots"].working_directory(failed)
    assert (folder / OUTPUT_FILE).read_text() == "to standard output\n"
