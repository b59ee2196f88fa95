"""A job that takes all memory, is killed or never ends fails alone; the others go on."""

from pathlib import Path

from tests.faults.conftest import Run, comparable


def test_each_fails_with_its_reason_and_alone(undisturbed: dict[str, object], store: Path) -> None:
    models = '[fault=memory] [fault=killed] [fault=hang] [fault=""]'
    output = Run(store, "--jobs", "2", "--timeout", "0.5", model=models).finish(1, 300)
    assert "1 done, 0 cached, 3 failed" in output
    failed = {
        line.partition("fault=")[2].partition("]")[0]: line
        for line in output.splitlines()
        if line.startswith("failed: ")
    }
    assert failed.keys() == {"memory", "killed", "hang"}
    assert "can't allocate memory" in failed["memory"]
    assert "its process was killed (SIGKILL)" in failed["killed"]
    assert "it took longer than the 0.5 minutes of --timeout and was stopped" in failed["hang"]
    (done,) = comparable(store).values()
    assert done == undisturbed[done["key"]]
