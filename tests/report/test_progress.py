import io
import re
import sys
from types import ModuleType

import pytest
import rich.console

import mae_bench.report.progress as progress_module
from mae_bench.report.progress import PlainDisplay, TerminalDisplay, can_draw, run_display


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def test_elsewhere_than_on_a_terminal_a_job_and_the_end_of_a_stage_are_one_line_each(clock):
    stream = io.StringIO()
    with run_display(2, stream) as display:
        display.progress("data of digits", 0, 1, "")
        display.progress("data of digits", 1, 1, "")
        display.start("first")
        for done in range(1, 11):
            display.progress("training", done, 10, f"epoch {done}")
        display.progress("evaluating", 1, 2, "density")
        display.progress("evaluating", 2, 2, "density")
        display.progress("evaluating", 1, 7, "probes")
        display.end("first", "done in 3 s")
        display.end("second", "failed: no data")
    assert stream.getvalue().splitlines() == [
        "  data of digits 1/1",
        "[1/2] first",
        "  training 10/10 epoch 10",
        "  evaluating 2/2 density",
        "  evaluating 1/7 probes",
        "[1/2] first: done in 3 s",
        "[2/2] second: failed: no data",
    ]


def test_a_long_stage_writes_one_line_every_thirty_seconds(clock):
    stream = io.StringIO()
    with run_display(1, stream) as display:
        display.start("job")
        for done in range(1, 101):
            clock[0] += 1
            display.progress("training", done, 100, "")
        display.end("job", "done")
    assert re.findall(r"training (\d+)/100", stream.getvalue()) == ["30", "60", "90", "100"]


def test_a_state_that_was_written_is_not_written_again_when_its_stage_ends(clock):
    stream = io.StringIO()
    with run_display(1, stream) as display:
        clock[0] = 31
        display.progress("training", 5, 10, "")
    assert stream.getvalue() == "  training 5/10\n"


def test_what_was_under_way_when_an_error_ends_the_run_is_written(clock):
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), run_display(1, stream) as display:
        display.progress("training", 5, 10, "epoch 1")
        raise KeyboardInterrupt
    assert stream.getvalue() == "  training 5/10 epoch 1\n"


def test_a_terminal_gets_bars_and_lines_that_show_brackets_as_they_are(terminal):
    stream = terminal(120)
    with run_display(2, stream) as display:
        assert isinstance(display, TerminalDisplay)
        display.start("mae[eta=1.0]")
        display.progress("training", 3, 10, "epoch 1 [red]")
        stream.wait_for("3/10")
        display.end("mae[eta=1.0]", "done in 3 s")
        display.progress("evaluating", 1, 4, "density")
    text = stream.getvalue()
    assert "[1/2] mae[eta=1.0]: done in 3 s" in text
    for shown in ("epoch 1 [red]", "evaluating", "1/4", "1/2"):
        assert shown in text
    last_frame = text[text.rindex("jobs") :]
    assert "evaluating" in last_frame
    assert "training" not in last_frame


def test_what_is_no_terminal_gets_no_control_codes(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    with run_display(1, stream) as display:
        assert isinstance(display, PlainDisplay)
        display.start("mae[eta=1.0]")
        display.progress("training", 3, 10, "")
        display.end("mae[eta=1.0]", "done")
    assert stream.getvalue().isprintable() or set(stream.getvalue()) - {"\n"} <= set(map(chr, range(32, 127)))


@pytest.mark.parametrize(
    ("kernel", "widgets", "jupyter", "drawn"),
    [(True, True, True, True), (False, True, True, False), (True, False, True, False), (True, True, False, False)],
)
def test_bars_are_drawn_in_a_notebook_that_has_widgets(monkeypatch, kernel, widgets, jupyter, drawn):
    if kernel:
        monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setattr(progress_module, "find_spec", lambda name: ModuleType(name) if widgets else None)
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: jupyter)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert can_draw(sys.stderr) == drawn
    assert not can_draw(io.StringIO())
