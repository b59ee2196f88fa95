"""A Ray cluster of two nodes on this machine: one is taken away, and its jobs go on from their checkpoints."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mae_bench.records.progress import PROGRESS_FILE, JobProgress, read_progress
from tests.faults.conftest import Run, comparable, wait_until

pytest.importorskip("ray", reason="Ray is an extra")
from ray.cluster_utils import Cluster


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head that runs no jobs; what runs on the nodes takes long enough to be watched."""
    monkeypatch.setenv("STEADY_PAUSE", "0.1")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield cluster
    finally:
        cluster.shutdown()


def on_ray(cluster: Cluster, store: Path, *options: str) -> Run:
    return Run(store, "--seeds", "0,1", "--executor", "ray", "--address", cluster.address, *options)


def progress_of_all(store: Path) -> dict[str, JobProgress]:
    read = (read_progress(path) for path in store.rglob(PROGRESS_FILE))
    return {progress.key: progress for progress in read if progress}


def test_the_jobs_of_a_removed_node_go_on_elsewhere(
    cluster: Cluster, undisturbed: dict[str, object], store: Path
) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    run = on_ray(cluster, store)
    run.wait_until(lambda: len(run.training_jobs()) == 2, "a job trains on each node")
    before = {progress.key: progress.pid for progress in run.training_jobs()}
    cluster.remove_node(nodes[1], allow_graceful=False)

    def moved() -> list[JobProgress]:
        everything = progress_of_all(store).items()
        return [progress for key, progress in everything if progress.pid != before[key] and progress.stage]

    run.wait_until(moved, "the job is on the other node")
    assert moved()[0].stage == "evaluating" or moved()[0].stage_from > 1, "it began anew"
    assert "2 done, 0 cached, 0 failed" in run.finish()
    assert comparable(store) == undisturbed
    assert len(moved()) == 1, "one job, and only one, was started a second time"


def test_a_signal_stops_the_jobs_with_a_checkpoint(
    cluster: Cluster, undisturbed: dict[str, object], store: Path
) -> None:
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a shell has it ignored by what it starts with &
    try:
        cluster.add_node(num_cpus=2)
    finally:
        signal.signal(signal.SIGINT, handler)
    run = on_ray(cluster, store)
    run.wait_until(lambda: len(run.training_jobs()) == 2, "both jobs train")
    run.process.send_signal(signal.SIGTERM)
    assert "interrupted; this resumes from the last checkpoints" in run.finish(143, 10)
    wait_until(lambda: {progress.state for progress in progress_of_all(store).values()} == {"stopped"}, "they stop", 2)
    on_ray(cluster, store).finish()
    assert comparable(store) == undisturbed


def test_what_cannot_be_is_said_before_anything_trains(cluster: Cluster, store: Path) -> None:
    assert "a job needs 1 CPUs and the Ray cluster has 0" in on_ray(cluster, store).finish(2)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        output = Run(store, "--executor", "ray", "--address", address).finish(2)
    assert f"the Ray cluster at {address} cannot be reached" in output
    assert not store.exists()
