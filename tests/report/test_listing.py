import io

from mae_bench.planning.registry import ModelListing, Offer, TaskListing
from mae_bench.report.listing import print_models, print_tasks

PACKAGE = Offer("odd", "entry point of odd", target="odd:Odd")


def rows(text):
    return [line for line in text.splitlines() if line.strip()]


def test_models_show_parameters_defaults_and_place_at_full_width():
    description = "A description that is far longer than a terminal is wide. " * 4
    listings = [
        ModelListing(Offer("mae", "built in"), description, {"eta": 1.0, "beta": "..."}),
        ModelListing(PACKAGE, "", {}, "it is broken"),
    ]
    stream = io.StringIO()
    print_models(listings, stream)
    lines = rows(stream.getvalue())
    assert "mae[beta=...,eta=1.0]" in lines[2]
    assert description.strip() in lines[2]
    assert "entry point of odd, odd:Odd" in lines[3]
    assert "it is broken" in lines[3]
    assert "smoke, small, medium, paper" in lines[4]


def test_tasks_show_presets_data_and_place(digits_task):
    stream = io.StringIO()
    print_tasks([TaskListing(Offer("digits", "built in"), digits_task), TaskListing(PACKAGE, None, "no file")], stream)
    lines = rows(stream.getvalue())
    for shown in (*digits_task.presets, "1x8x8, bernoulli, 10 classes", "1097/200/500", digits_task.description):
        assert shown in lines[2]
    assert "no file" in lines[3]
