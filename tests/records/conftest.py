"""A store that submission and verification both start from."""

import pytest

from mae_bench.records.store import Store


@pytest.fixture
def results(honest_record, tmp_path):
    """A store with two good records and a file that is none."""
    store = Store(tmp_path / "results")
    for seed in (0, 1):
        store.save(honest_record(seed=seed, nll=20.0 + seed))
    (store.root / "state.json").write_text("{}")
    return store
