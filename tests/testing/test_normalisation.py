"""The sum of p(x): against closed forms, and what is said of it if it cannot be told, is below one or is no number."""

import re
from math import prod

import pytest
import torch
from scipy.stats import norm

from mae_bench import Adapter, DataSpec, ImportanceTerms
from mae_bench.testing import examine_adapter
from mae_bench.testing.normalisation import _CUTS, SETS, _estimate, tail_index
from tests.adapters import broken

GREYS, COLOURS = SETS["discretized_logistic_mixture"]


def normalisation(adapter_class):
    """What the rule says; no other one is broken."""
    results = {result.rule: result for result in examine_adapter(adapter_class, {})}
    assert "broken" not in {result.verdict for rule, result in results.items() if rule != "normalisation"}
    return results["normalisation"]


class Product(Adapter):
    """f(x) = the product over channels of exp(slope level / 255), a closed form to sum, which is not normalised."""

    slopes = (1.0, -2.0, 3.0)

    def importance_terms(self, x, samples):
        log_f = (x.flatten(1).double() * torch.tensor(self.slopes)[: x.shape[1]]).sum(1)
        columns = log_f.unsqueeze(1).expand(-1, samples)
        return ImportanceTerms(columns, torch.zeros_like(columns), torch.zeros_like(columns))


@pytest.mark.parametrize("images", [GREYS, COLOURS], ids=["greys", "colours"])
def test_the_sum_over_levels_is_that_of_the_closed_form(images):
    """sum_k exp(s k / 255), k = 0 ... 255, is a geometric series; the colours' is the product of three."""
    channels = images.shape[0]
    ratios = [torch.tensor(slope / 255, dtype=torch.float64).exp().item() for slope in Product.slopes[:channels]]
    exact = prod((ratio**256 - 1) / (ratio - 1) for ratio in ratios)
    torch.manual_seed(0)
    total, error, tail = _estimate(Product(DataSpec(images.shape, "bernoulli", 1, 1), "smoke"), images.draw)
    assert error < 0.01 * exact
    assert abs(total - exact) < 6 * error + 1e-6 * exact
    assert tail < 0.7


def test_colours_are_drawn_from_parts_that_make_up_all_of_them():
    torch.manual_seed(0)
    x, counts = COLOURS.draw()
    assert x.shape == (512, 3, 1, 1)
    assert counts.sum() == 256**3
    levels = x.flatten(1) * 255
    assert torch.equal(levels, levels.round())
    part = torch.bucketize(levels.round().long(), torch.tensor(_CUTS), right=True)
    assert len(torch.unique(part, dim=0)) == 512
    sizes = torch.tensor(_CUTS).diff()
    assert torch.equal(sizes[part - 1].prod(1), counts.long())


def test_a_sum_below_one_is_a_bound_and_no_fault():
    result = normalisation(broken.MassLost)
    assert result.verdict == "ok"
    said = re.fullmatch(
        r"a bound, not a density: p\(x\) summed over all 512 images of 3x3 is ([\d.]+) ± ([\d.]+)", result.sentence
    )
    total, error = map(float, said.groups())
    assert abs(total - 0.8) < 6 * error


def test_mass_outside_the_images_is_missing_from_the_sum():
    """A Gaussian of mean and standard deviation 1/2 has 68.3 % of its mass between 0 and 1."""
    result = normalisation(broken.Dequantised)
    assert result.verdict == "ok"
    assert result.sentence.count("a bound, not a density: ") == 2
    inside = norm.cdf(1) - norm.cdf(-1)
    grey, colour = (float(total) for total in re.findall(r"is ([\d.]+) ±", result.sentence))
    assert grey == pytest.approx(inside, rel=0.01)
    assert colour == pytest.approx(inside**3, rel=0.02)


def test_a_proposal_that_is_far_from_the_posterior_at_first_is_no_fault():
    assert normalisation(broken.DistantProposal).verdict == "ok"


def test_a_sum_that_cannot_be_told_is_no_fault():
    result = normalisation(broken.NarrowProposal)
    assert result.verdict == "not applicable"
    assert "scatter too much to tell (tail index" in result.sentence


def test_a_model_that_our_own_steps_leave_without_numbers_is_summed_as_it_was_before_them():
    result = normalisation(broken.NotANumberOnceMoved)
    assert result.verdict == "ok"
    total, error = map(
        float, re.search(r"over all 512 images of 3x3 is ([\d.]+) ± ([\d.]+)$", result.sentence).groups()
    )
    assert abs(total - 1) < 6 * error


def test_images_for_which_a_model_cannot_be_built_are_named_with_the_reason():
    result = normalisation(broken.ForLargeImages)
    assert result.verdict == "not applicable"
    assert re.match(
        "the model cannot be built and asked for all 512 images of 3x3: RuntimeError.*: Given input", result.sentence
    )


def test_the_tail_index_is_that_of_pareto_weights():
    uniform = torch.rand(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for index, images in [(0.3, 1), (1.0, 1), (1.0, 8000)]:
        assert tail_index(-index * uniform.log().view(images, -1)) == pytest.approx(index, rel=0.1)
    assert tail_index(torch.full((3, 1000), 5.0)) == 0.0


def test_images_without_probability_do_not_count_for_the_tail_index():
    light = torch.zeros(3, 1000)
    light[0] = -torch.inf
    assert tail_index(light) == 0.0
    assert tail_index(torch.full((2, 10), -torch.inf)) == 0.0
