import re
from pathlib import Path

import pytest
import torch
from torch import nn

from mae_bench import Adapter, ImportanceTerms, NotSupported
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import MaeBenchError, UsageError
from mae_bench.job.likelihoods import LIKELIHOODS
from mae_bench.planning.registry import load_adapter_class
from mae_bench.testing import RULES, AdapterFault, check_adapter, check_file, examine_adapter

ADAPTERS = Path(__file__).resolve().parents[1] / "adapters"


def broken_adapter(name):
    return load_adapter_class(f"{ADAPTERS / 'broken.py'}:{name}")


def verdicts(adapter_class, **params):
    return {result.rule: result.verdict for result in examine_adapter(adapter_class, params)}


BROKEN = [
    ("WithoutSuper", "construction", r"never called super\(\).__init__\(data, preset\)"),
    ("LayersBeforeSuper", "construction", r"cannot assign module before Module.__init__.*super\(\).__init__"),
    ("OtherPreset", "construction", "changed self.data or self.preset"),
    ("FunctionAsDefault", "construction", "default of activation is not a finite JSON value"),
    (
        "UnknownLikelihood",
        "construction",
        r"UnknownLikelihood.likelihoods is frozenset\(.*make it a set with one or more",
    ),
    ("LikelihoodAsText", "construction", r"LikelihoodAsText.likelihoods is 'bernoulli'; make it a set"),
    ("Elsewhere", "devices", r"sample\(3\) is on meta, but x is on cpu"),
    ("SummedOverSamples", "answers", r"importance_terms\(x, 3\) returned log_likelihood as float32 \[4\]"),
    ("HalfPrecision", "answers", r"encode\(x\) returned the representation as float16 \[4, 2\]"),
    ("Squeezed", "answers", r"encode\(x\) returned the representation as float32 \[2\]"),
    ("LossOfEachImage", "answers", r"loss\(x\) has a tensor \[4\] as total"),
    ("Logits", "answers", r"reconstruct\(x\) of 4 returned values outside \[0, 1\]"),
    ("FlatSamples", "answers", r"sample\(3\) returned torch.float32 \[3, 64\]"),
    ("Crashing", "answers", r"encode\(x\) of 4 raised RuntimeError.*: .*correct the adapter"),
    ("LongWinded", "answers", r"posterior\(x\) of 4 is declined in 6000 characters, but a record keeps 4000; give"),
    ("Silent", "answers", "answers none of importance_terms, posterior and encode"),
    ("OwnGenerator", "determinism", r"importance_terms\(x, 3\)\.log_\w+ differs when asked again under the same seed"),
    ("DrawnRepresentation", "determinism", r"encode\(x\) changes with the seed"),
    ("WeightsByNumPy", "determinism", "decoder.bias differs between two models built under one seed"),
    ("LossByNumPy", "determinism", r"loss\(x\).total differs under the same seed"),
    ("BatchStatistics", "batches", r"posterior\(x\).mean of an image differs alone and within a batch"),
    ("PixelsOfTheBatch", "batches", r"the NLL of an image is [\d.]+ nats alone and [\d.]+ within a batch"),
    ("NotANumberAtOnes", "log-weights", "log_likelihood of an image of ones is not finite"),
    ("DividedBySamples", "log-weights", "neither averaged nor divided"),
    ("OneDraw", "log-weights", "repeats one draw 64 times"),
    ("WithoutConstant", "normalisation", r"summed over all 512 images of 3x3 is 6\.\d+ ± 0\.\d+, not 1"),
    ("LikelihoodOfHalf", "normalisation", r"is 2\d\.\d+ ± .*, not 1"),
    ("BeyondFloat64", "normalisation", "is inf ± .*, not 1"),
    ("NotANumberWhenTiny", "normalisation", "over all 512 images of 3x3 is nan, not a number; keep every"),
    ("BitsForLevels", "normalisation", r"over all 256 levels of a pixel is 1\d\d(\.\d+)? ± .*, not 1"),
    ("DensityForLevels", "normalisation", r"over all 256 levels of a pixel is 25\d(\.\d+)? ± .*, not 1"),
    ("FirstChannel", "normalisation", r"over all 256\^3 colours of a pixel is 6\.\d+e\+04 ± .*, not 1"),
    ("Unreached", "gradients", "reaches 4 of 6 weights, but not forgotten.weight"),
    ("RootOfZero", "gradients", "the gradient of decoder.weight is not finite"),
    ("Detached", "gradients", r"loss\(x\).total has no gradient"),
    ("InfiniteLoss", "gradients", "the loss is inf before the first step"),
    ("WithoutLoss", "training", r"fit cannot train it: WithoutLoss has no loss\(x\)"),
    ("FitFails", "training", "fit raised AttributeError.*: .*labels.*; correct the adapter"),
    ("FitDiverges", "training", "fit leaves decoder.bias with values that are not finite"),
    ("LogitsAsProbabilities", "loss-terms", r"reconstruction_error is [\d.]+ ± [\d.]+ nats an image by loss\(x\) and "),
    ("WeightedKL", "loss-terms", r"kl is .* without weights, as means over the batch in nats"),
    ("NotANumberAsTerm", "loss-terms", "kl is nan ± nan nats an image by loss"),
    ("PlainAttribute", "state", r"encode\(x\) of a new model with the saved state differs"),
    ("LateBuffer", "state", r"cannot load images_seen, of shape torch.Size\(\[\]\) in a fitted one and None in itself"),
]


@pytest.mark.parametrize(("name", "rule", "sentence"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_adapter_is_caught_by_the_rule_that_it_breaks_and_by_no_other(name, rule, sentence):
    results = list(examine_adapter(broken_adapter(name), {}))
    assert [result.rule for result in results] == [rule.name for rule in RULES]
    (broken,) = [result for result in results if result.verdict == "broken"]
    assert broken.rule == rule
    assert re.search(sentence, broken.sentence), broken.sentence


def test_every_rule_has_an_adapter_that_breaks_it():
    assert {rule for _, rule, _ in BROKEN} == {rule.name for rule in RULES}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_answer_that_stays_on_the_cpu_is_caught_if_there_is_a_gpu():
    assert verdicts(broken_adapter("OnTheCpu"))["devices"] == "broken"


@pytest.mark.parametrize("name", ["Sound", "Levels", "AnalyticKL"])
def test_a_sound_adapter_keeps_every_rule(name):
    found = verdicts(broken_adapter(name))
    devices = found.pop("devices")
    assert devices == ("ok" if torch.cuda.is_available() else "not applicable")
    assert set(found.values()) == {"ok"}


def test_the_message_lists_every_broken_rule():
    with pytest.raises(AdapterFault) as fault:
        check_adapter(broken_adapter("TwoFaults"))
    first, *lines = str(fault.value).splitlines()
    assert first == f"TwoFaults breaks 2 of {len(RULES)} rules:"
    assert [line.partition(":")[0] for line in lines] == ["- normalisation", "- gradients"]
    assert isinstance(fault.value, MaeBenchError)


@pytest.mark.parametrize("as_written", [str, Path])
def test_parameters_reach_the_constructor_of_the_one_adapter_in_a_file(as_written):
    my_vae = as_written(content_folder("docs/examples") / "my_vae.py")
    check_file(my_vae, latent=3, beta=2.0)
    with pytest.raises(AdapterFault, match=r"- construction: MyVAE has no parameter 'betta'; did you mean beta\?"):
        check_file(my_vae, betta=2.0)


def test_a_file_of_several_adapters_is_not_checked_before_one_is_chosen():
    with pytest.raises(UsageError, match="defines several adapters; choose one of"):
        check_file(ADAPTERS / "broken.py")
    with pytest.raises(AdapterFault, match="TwoFaults breaks 2 of"):
        check_file(f"{ADAPTERS / 'broken.py'}:TwoFaults")


def test_what_a_model_does_not_support_does_not_apply():
    class Encoder(Adapter):
        def encode(self, x):
            return x.flatten(1)

        def fit(self, train, validation, context):
            pass

    found = verdicts(Encoder)
    assert [found[rule] for rule in ("log-weights", "normalisation", "gradients", "loss-terms")] == [
        "not applicable"
    ] * 4
    assert [found[rule] for rule in ("answers", "determinism", "batches", "training", "state")] == ["ok"] * 5


class Colours(Adapter):
    """For colour images: independent channels of 256 levels each; the likelihood is exact."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        if data.likelihood == "bernoulli":
            raise NotSupported("made for colour images")
        self.logits = nn.Parameter(torch.zeros(data.shape[0], 256))

    def importance_terms(self, x, samples):
        levels = (255 * x).round().long().flatten(2)
        log_p = self.logits.log_softmax(1).expand(len(x), -1, -1).gather(2, levels).sum((1, 2))
        columns = log_p.unsqueeze(1).expand(-1, samples)
        return ImportanceTerms(columns, torch.zeros_like(columns), torch.zeros_like(columns))

    def fit(self, train, validation, context):
        pixels = train.batch(torch.arange(len(train)), context.generator)
        for channel, logits in enumerate(self.logits.data):
            counts = torch.bincount((255 * pixels[:, channel]).round().long().flatten(), minlength=256)
            logits.copy_((counts + 1).log())


def test_a_model_that_declines_binary_images_is_checked_on_colour_ones():
    results = {result.rule: result for result in examine_adapter(Colours, {})}
    assert "broken" not in {result.verdict for result in results.values()}
    assert "discretized_logistic_mixture images of shape (3, 8, 8)" in results["construction"].sentence
    assert re.fullmatch(
        r"p\(x\) summed over all 256 levels of a pixel is 1 ± [\de.-]+; "
        r"p\(x\) summed over all 256\^3 colours of a pixel is (1|1\.00\d|0\.99\d+) ± [\de.-]+",
        results["normalisation"].sentence,
    )
    assert [results[rule].verdict for rule in ("log-weights", "batches", "training", "state")] == ["ok"] * 4
    assert len(results) == len(RULES)


def test_every_rule_is_checked_under_each_declared_likelihood_and_says_under_which():
    results = list(examine_adapter(broken_adapter("BothLikelihoods"), {}))
    expected = [(likelihood, rule.name) for likelihood in LIKELIHOODS for rule in RULES]
    assert [(result.likelihood, result.rule) for result in results] == expected
    assert {result.verdict for result in results if result.rule != "devices"} == {"ok"}
    assert str(results[0]) == "bernoulli: built for bernoulli images of shape (1, 8, 8)"


def test_a_fault_under_one_of_two_likelihoods_is_named_with_it():
    with pytest.raises(AdapterFault) as fault:
        check_adapter(broken_adapter("BitsAtLevels"))
    first, line = str(fault.value).splitlines()
    assert first == f"BitsAtLevels breaks 1 of {len(RULES)} rules:"
    assert line.startswith(
        "- normalisation: discretized_logistic_mixture: p(x) summed over all 256 levels of a pixel is "
    )


def test_a_declared_likelihood_whose_images_are_declined_does_not_apply():
    class ForBits(broken_adapter("BothLikelihoods")):
        def __init__(self, data, preset):
            super().__init__(data, preset)
            if data.likelihood != "bernoulli":
                raise NotSupported("made for bits")

    *of_bits, last = examine_adapter(ForBits, {})
    assert len(of_bits) == len(RULES)
    assert (last.rule, last.verdict) == ("construction", "not applicable")
    assert str(last) == "discretized_logistic_mixture: made for bits"


def test_a_model_of_grey_levels_alone_is_checked_on_those():
    class Grey(broken_adapter("Levels")):
        def __init__(self, data, preset):
            super().__init__(data, preset)
            if data.shape[0] != 1:
                raise NotSupported("made for grey images")

    results = {result.rule: result for result in examine_adapter(Grey, {})}
    assert "broken" not in {result.verdict for result in results.values()}
    assert "shape (1, 8, 8)" in results["construction"].sentence
    assert "all 256^3 colours of a pixel: made for grey images" in results["normalisation"].sentence


def test_checking_leaves_the_random_state_as_it_was_and_gives_the_same_results_again():
    before = torch.get_rng_state()
    first = list(examine_adapter(broken_adapter("Sound"), {}))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(123)
    assert list(examine_adapter(broken_adapter("Sound"), {})) == first
