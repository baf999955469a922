"""When a Ctrl-C strikes and when it waits."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from emollm.cli.interrupts import Interrupts


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)  # Python's handler runs between two of its instructions


def interrupted(work: Callable[[Interrupts], None], *, put_off: bool, stop: Callable[[], None] = lambda: None) -> None:
    """Does work, and expects that a Ctrl-C comes out of it."""
    before = signal.getsignal(signal.SIGINT)

    def all_of_it() -> None:
        with Interrupts(stop, lambda: put_off) as interrupts:
            work(interrupts)

    with pytest.raises(KeyboardInterrupt):
        all_of_it()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_strikes_at_once_where_nothing_is_put_off() -> None:
    told = list[str]()

    def work(_: Interrupts) -> None:
        interrupt()
        told.append("went on")

    interrupted(work, put_off=False, stop=lambda: told.append("asked to stop"))
    assert told == ["asked to stop"]


def test_a_signal_that_is_put_off_is_raised_by_the_next_check() -> None:
    told = list[str]()

    def work(interrupts: Interrupts) -> None:
        interrupt()
        told.append("went on")
        interrupts.check()
        told.append("went on again")

    interrupted(work, put_off=True)
    assert told == ["went on"]


def test_work_that_does_not_listen_is_struck_even_in_a_wait() -> None:
    def work(_: Interrupts) -> None:
        interrupt()
        time.sleep(60)

    began = time.monotonic()
    interrupted(work, put_off=True)
    assert time.monotonic() - began < 30


def test_the_second_signal_is_not_put_off() -> None:
    told = list[str]()

    def work(_: Interrupts) -> None:
        interrupt()
        interrupt()
        told.append("went on")

    interrupted(work, put_off=True)
    assert not told


@pytest.mark.parametrize("put_off", [False, True])
def test_no_signal_strikes_while_results_are_put_away_and_none_is_lost(put_off: bool) -> None:
    told = list[str]()

    def work(interrupts: Interrupts) -> None:
        interrupts.end()
        interrupt()
        told.append("put away")

    interrupted(work, put_off=put_off)
    assert told == ["put away"]


def test_an_error_stands_though_a_signal_comes_while_it_is_dealt_with() -> None:
    def work() -> None:
        with Interrupts(lambda: None, lambda: False) as interrupts:
            try:
                raise OSError("the disk is full")
            finally:
                interrupts.end()
                interrupt()

    with pytest.raises(OSError, match="the disk"):
        work()
