"""The models of Pythae behind their adapter. Needs the extra: `make test-pythae`."""

from math import sqrt

import pytest
import torch

from mae_bench import DataSpec
from mae_bench.foundation.content import content_folder
from mae_bench.metrics.density import importance_weighted_nll
from mae_bench.planning.registry import load_adapter_class
from mae_bench.review.plausibility import impossible_values
from mae_bench.testing import check_adapter
from tests.job.test_execute import one_job, run

FILE = content_folder("docs/examples") / "pythae_models.py"
MODULE = load_adapter_class(str(FILE))
GAUSSIAN, FLOWS, OTHERS = (
    ("VAE", "BetaVAE", "DisentangledBetaVAE", "INFOVAE_MMD", "IWAE", "CIWAE", "MIWAE", "VAMP"),
    ("VAE_IAF", "VAE_LinNF"),
    ("AE", "WAE_MMD", "RAE_L2", "VQVAE", "HVAE"),
)


@pytest.mark.parametrize("model", [*GAUSSIAN, *FLOWS, *OTHERS])
def test_each_model_leaves_a_record_without_a_fault(digits_task, tmp_path, model):
    record = run(one_job(f"{FILE}[model={model}]", digits_task), tmp_path)
    assert record.training.status == "complete" and record.training.epochs >= 1
    assert impossible_values(record, digits_task) == []
    assert ("nll" in record.metrics) == (model not in OTHERS)
    assert ("mpd" in record.metrics) == (model in GAUSSIAN)
    assert "knn_100" in record.metrics


@pytest.mark.parametrize("model", ["VAE", "VAMP", "VAE_IAF", "VAE_LinNF", "VQVAE"])
def test_the_contract_is_kept(model):
    check_adapter(MODULE, model=model, latent_dim=2)


def test_options_reach_the_configuration():
    adapter = MODULE(DataSpec((1, 8, 8), "bernoulli", 100, 10), "smoke", model="BetaVAE", options={"beta": 3.0})
    assert adapter.net.beta == 3.0


@pytest.mark.parametrize("model", ["VAE", "VAE_IAF", "VAE_LinNF"])
def test_pythaes_own_estimate_is_the_log_likelihood_and_of_a_hundred_samples_at_least(model):
    """`get_nll` of Pythae 0.1.2 returns the mean of log p(x), not of its negative, and asked for one sample takes its
    whole batch of 100. So its negative is the NLL of 100 samples, and below the negative ELBO, that of one."""
    torch.manual_seed(0)
    adapter = MODULE(DataSpec((1, 8, 8), "bernoulli", 100, 10), "smoke", model=model, latent_dim=4).eval()
    x = torch.bernoulli(torch.full((8, 1, 8, 8), 0.3))
    with torch.no_grad():
        theirs = torch.tensor([[adapter.net.get_nll(one[None], n_samples=1) for one in x] for _ in range(12)])
        ours = torch.stack([importance_weighted_nll(adapter.importance_terms(x, 100)) for _ in range(12)])
        of_one = torch.stack([importance_weighted_nll(adapter.importance_terms(x, 1)) for _ in range(1200)]).mean()
    assert (theirs < 0).all() and (ours > 0).all()
    error = sqrt(theirs.mean(1).var() / 12 + ours.mean(1).var() / 12)
    assert abs(-theirs.mean() - ours.mean()) < 5 * error
    assert of_one - ours.mean() > 10 * error
