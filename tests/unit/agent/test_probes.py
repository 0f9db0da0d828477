import re

import pytest

from edge.agent import probes
from edge.agent.probes import Outcome, PortError, Response, Result
from edge.api import core


def tracks(**kinds: core.Probe) -> tuple[probes.Track, ...]:
    container = core.Container(name="c", **{f"{kind}_probe": probe for kind, probe in kinds.items()})  # type: ignore[arg-type]
    return probes.tracks(container, 0.0)


def test_without_probes_a_container_is_ready() -> None:
    assert probes.health(()) == probes.Health(True, True, "")


def test_liveness_fails_at_its_threshold_and_a_success_counts_anew() -> None:
    (track,) = tracks(liveness=core.Probe(failure_threshold=2))
    track = probes.record(track, False, 1)
    assert not probes.health((track,)).broken
    track = probes.record(probes.record(track, True, 2), False, 3)
    assert not probes.health((track,)).broken
    track = probes.record(track, False, 4)
    assert probes.health((track,)).broken == "liveness"
    assert probes.wait(track, (track,), 100) is None


def test_readiness_is_false_until_the_first_success_and_turns_at_thresholds() -> None:
    (track,) = tracks(readiness=core.Probe(success_threshold=2, failure_threshold=3))
    assert not probes.health((track,)).ready
    track = probes.record(probes.record(track, True, 1), True, 2)
    assert probes.health((track,)).ready
    track = probes.record(probes.record(track, False, 3), False, 4)
    assert probes.health((track,)).ready
    assert not probes.health((probes.record(track, False, 5),)).ready


def test_the_startup_probe_holds_the_others_back() -> None:
    startup, liveness = tracks(startup=core.Probe(period_seconds=1, failure_threshold=2), liveness=core.Probe())
    assert probes.wait(startup, (startup, liveness), 0) == 0
    assert probes.wait(liveness, (startup, liveness), 50) is None
    done = probes.record(startup, True, 1)
    assert probes.wait(liveness, (done, liveness), 50) == 0
    assert probes.wait(done, (done, liveness), 50) is None
    dead = probes.record(probes.record(startup, False, 1), False, 2)
    assert probes.health((dead, liveness)).broken == "startup"


def test_times_initial_delay_and_period() -> None:
    (track,) = tracks(liveness=core.Probe(initial_delay_seconds=5, period_seconds=3))
    assert probes.wait(track, (track,), 1) == 4
    track = probes.record(track, True, 5)
    assert probes.wait(track, (track,), 6) == 2


def test_a_container_known_ready_stays_ready_over_a_restart_of_the_agent() -> None:
    container = core.Container(name="c", readiness_probe=core.Probe(), startup_probe=core.Probe())
    assert probes.health(probes.tracks(container, 0, was_started=True, was_ready=True)).ready
    assert not probes.health(probes.tracks(container, 0)).ready


def test_the_probes_own_grace_goes_first() -> None:
    container = core.Container(name="c", liveness_probe=core.Probe(termination_grace_period_seconds=3))
    assert probes.grace(container, "liveness", 30) == 3
    assert probes.grace(container, "startup", 30) == 30


def test_http_statuses() -> None:
    found = [probes.http_outcome(Response(status)).result for status in (199, 200, 299, 400, 500)]
    assert found == [Result.FAILURE, Result.SUCCESS, Result.SUCCESS, Result.FAILURE, Result.FAILURE]
    assert probes.http_outcome(Response(500)).text == "HTTP probe failed with statuscode: 500"
    elsewhere = probes.http_outcome(Response(302, "http://elsewhere/", b"gone"))
    assert elsewhere == Outcome(Result.WARNING, "Probe terminated redirects, Response body: gone")
    assert elsewhere.success


def test_ports_by_number_and_by_name() -> None:
    web = core.Container(ports=(core.ContainerPort(name="web", container_port=80),))
    assert [probes.port_number(port, web) for port in (8080, "web", "9090")] == [8080, 80, 9090]
    for port, words in (("nothing", 'strconv.Atoi: parsing "nothing": invalid syntax'), (0, "invalid port number: 0"),
                        (65536, "invalid port number: 65536")):
        with pytest.raises(PortError, match=re.escape(words)):
            probes.port_number(port, web)


def test_events_of_probes() -> None:
    assert probes.event("liveness", Outcome(Result.FAILURE)) == ("Unhealthy", "Liveness probe failed: ")
    assert probes.event("liveness", Outcome(Result.FAILURE, "no")) == ("Unhealthy", "Liveness probe failed: no")
    assert probes.event("readiness", Outcome(Result.WARNING, "hm")) == ("ProbeWarning", "Readiness probe warning: hm")
    assert probes.event("startup", Outcome(Result.ERROR, "what")) == (
        "Unhealthy", "Startup probe errored and resulted in unknown state: what")
    assert probes.event("startup", Outcome(Result.SUCCESS)) is None


def test_a_probe_that_could_not_be_made_changes_nothing_but_its_next_time() -> None:
    (track,) = tracks(liveness=core.Probe(failure_threshold=1))
    track = probes.record(track, None, 5)
    assert not probes.health((track,)).broken
    assert (track.failures, track.successes) == (0, 0)
    assert probes.wait(track, (track,), 5) == 10
