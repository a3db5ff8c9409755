from __future__ import annotations

import threading

from streamguard_assets.streaming.control import Control


def test_the_first_reason_to_stop_counts() -> None:
    control = Control()
    assert (control.stopping, control.reason) == (False, "")
    control.stop("wanted")
    control.stop("interrupted")

    assert (control.stopping, control.reason) == (True, "wanted")


def test_a_wait_ends_with_the_stop_and_not_with_its_time() -> None:
    control = Control()
    threading.Timer(0.01, control.stop, ["now"]).start()

    assert control.wait(60.0)


def test_a_wait_that_nobody_ends_says_so() -> None:
    assert not Control().wait(0.01)


def test_a_pause_is_waited_out_until_it_ends_or_a_stop_comes() -> None:
    control = Control()
    control.pause()
    assert control.wait_while_paused(0.01)
    threading.Timer(0.01, control.resume).start()
    assert not control.wait_while_paused(60.0)

    control.pause()
    threading.Timer(0.01, control.stop, ["now"]).start()
    assert not control.wait_while_paused(60.0)
