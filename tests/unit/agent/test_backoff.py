from edge.agent import backoff


def test_the_first_restart_is_immediate_then_it_doubles_up_to_five_minutes() -> None:
    wait = None
    assert backoff.remaining(wait, 0, 0) == 0
    delays = []
    for _ in range(7):
        wait = backoff.advance(wait, 100, 100)
        delays.append(wait.delay_seconds)
    assert delays == [10, 20, 40, 80, 160, 300, 300]


def test_the_wait_counts_from_the_failure() -> None:
    wait = backoff.advance(None, 0, 0)
    assert backoff.remaining(wait, 50, 53) == 7
    assert backoff.remaining(wait, 50, 61) == 0


def test_ten_good_minutes_start_afresh() -> None:
    wait = backoff.advance(backoff.advance(None, 0, 0), 10, 10)
    assert backoff.remaining(wait, 700, 700) == 0
    assert backoff.advance(wait, 700, 700).delay_seconds == 10


def test_the_text_is_kubernetes() -> None:
    assert [backoff.text(seconds) for seconds in (10, 80, 300)] == ["10s", "1m20s", "5m0s"]
