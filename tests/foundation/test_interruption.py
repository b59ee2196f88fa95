import os
import signal
import subprocess
import sys
import time

import pytest

from mae_bench.foundation.interruption import Interrupted, deferred, raise_if_requested, requested, stops_on_signals


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_raises_at_once_and_leaves_nothing_behind(number, status):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, stops_on_signals():
        send(number)
        time.sleep(5)
    assert caught.value.exit_status == status
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(number) is before
    assert not requested()


def test_a_library_that_raises_its_own_interrupt_hides_no_signal():
    with pytest.raises(Interrupted) as caught, stops_on_signals():
        try:
            send(signal.SIGTERM)
            time.sleep(5)
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None
    assert caught.value.exit_status == 143


def test_a_deferred_signal_is_only_noted():
    reached = []
    with pytest.raises(Interrupted), stops_on_signals():
        with deferred():
            assert not requested()
            raise_if_requested()
            send(signal.SIGTERM)
            send(signal.SIGTERM)
            assert requested()
            reached.append("saved")
        raise_if_requested()
        reached.append("not here")
    assert reached == ["saved"]


SCRIPT = """
import sys, time
from mae_bench.foundation.interruption import deferred, stops_on_signals
with stops_on_signals({grace}, "go on so\\n"), deferred():
    print("ready", flush=True)
    time.sleep(60)
"""


def stubborn(grace):
    """A process that never asks whether a signal came."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT.format(grace=grace)], **pipes)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_a_process_that_does_not_end_is_ended():
    process = stubborn(grace=0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert process.stderr.read() == b"go on so\n"


def test_a_second_ctrl_c_ends_it_at_once_and_a_second_sigterm_does_not():
    process = stubborn(grace=60)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)  # if two signals are pending, the later one may be handled first
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr.read() == b"go on so\n"
