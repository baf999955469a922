"""Working ahead."""

import threading
import time

import pytest

from emollm.ahead import ahead


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_errors_with_their_item(workers: int) -> None:
    def work(n: int) -> int:
        time.sleep(0.002 * (5 - n % 5))
        if n == 7:
            raise ValueError("seven")
        return n * n

    seen = []
    for item, result in ahead(work, range(20), workers):
        if item == 7:
            with pytest.raises(ValueError, match="seven"):
                result()
        else:
            seen.append(result())
    assert seen == [n * n for n in range(20) if n != 7]


def test_several_workers_work_at_the_same_time_and_never_far_ahead() -> None:
    meeting = threading.Barrier(2, timeout=20)
    drawn = []

    def items() -> object:
        for n in range(40):
            drawn.append(n)
            yield n

    for count, (_, result) in enumerate(ahead(lambda _: meeting.wait() >= 0, items(), 2), start=1):
        assert result()
        assert len(drawn) <= count + 4


def test_closing_drops_what_has_not_begun() -> None:
    done = []

    def work(n: int) -> None:
        time.sleep(0.01)
        done.append(n)

    run = ahead(work, range(1000), 2)
    next(run)[1]()
    run.close()
    assert len(done) < 10
