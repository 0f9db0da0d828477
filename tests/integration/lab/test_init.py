"""Programs of a lab machine and the files they watch: real files, real processes."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.lab import init, watching

SHELL = "trap 'echo hup >>{out}' HUP; echo start >>{out}; while :; do busybox sleep 0.05; done"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[init.Init]:
    (tmp_path / "log").mkdir()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    machine = init.Init(tmp_path)
    try:
        yield machine
    finally:
        machine.stop()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def turn(machine: init.Init) -> None:
    machine.reap()
    machine.notice_changes()
    for service in machine.services:
        if service.due_at(time.monotonic()):
            machine.start(service)


def until(machine: init.Init, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        turn(machine)
        signal.sigtimedwait({signal.SIGCHLD}, 0.02)


def replace(path: Path, text: str) -> None:
    hidden = path.with_name(f".{path.name}.new")
    hidden.write_text(text)
    hidden.replace(path)


def running(name: str, out: Path, watched: Path, how: str) -> init.Running:
    watch, reload = ([str(watched)], []) if how == "watch" else ([], [str(watched)])
    return init.Running(name, ["sh", "-c", SHELL.format(out=out)], {}, watch=watch, reload=reload)


@pytest.mark.parametrize(("how", "wanted"), [("reload", ["start", "hup"]), ("watch", ["start", "start"])])
def test_a_program_hears_of_a_changed_file(machine: init.Init, tmp_path: Path, how: str,
                                           wanted: list[str]) -> None:
    out, conf = tmp_path / "out", tmp_path / "conf"
    conf.write_text("1")
    machine.services.append(running("program", out, conf, how))
    until(machine, lambda: out.exists() and out.read_text() == "start\n")
    replace(conf, "2")
    until(machine, lambda: out.read_text().split() == wanted)


def test_what_runs_once_runs_again_when_a_file_appears_and_is_not_kept_running(machine: init.Init,
                                                                              tmp_path: Path) -> None:
    out, wishes = tmp_path / "out", tmp_path / "wishes"
    service = init.Running("apply", ["sh", "-c", f"echo ran >>{out}"], {}, once=True, watch=[str(wishes)])
    service.seen = service.look()
    machine.services.append(service)
    turn(machine)
    assert not out.exists()
    wishes.mkdir()
    replace(wishes / "reservations.json", "{}")
    until(machine, lambda: out.exists() and service.process is None)
    turn(machine)
    assert out.read_text() == "ran\n"
    replace(wishes / "reservations.json", "{ }")
    until(machine, lambda: out.read_text() == "ran\nran\n" and service.process is None)


def test_half_written_files_and_missing_directories_are_no_change(tmp_path: Path) -> None:
    before = watching.stamp([str(tmp_path / "none"), str(tmp_path)])
    (tmp_path / ".half.new").write_text("x")
    assert watching.stamp([str(tmp_path / "none"), str(tmp_path)]) == before
    (tmp_path / ".half.new").rename(tmp_path / "whole")
    assert watching.stamp([str(tmp_path / "none"), str(tmp_path)]) != before
