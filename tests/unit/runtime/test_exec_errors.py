"""The engine's own words in the stream of a command that never was."""

from __future__ import annotations

import pytest

from edge.runtime import exec_errors

BEGIN = "OCI runtime exec failed: exec failed: unable to start container process: "


@pytest.mark.parametrize(("said", "program", "shown"), [
    (b"Error: crun: executable file `x` not found in $PATH: No such file or directory: OCI runtime attempted to invoke "
     b"a command that was not found\n", "x", 'exec: "x": executable file not found in $PATH: unknown\n'),
    (b"Error: crun: executable file `/x` not found: No such file or directory: OCI runtime attempted to invoke "
     b"a command that was not found\n", "/x", 'exec: "/x": stat /x: no such file or directory: unknown\n'),
    (b"Error: crun: open executable: Permission denied: OCI permission denied\n", "/x",
     'exec: "/x": permission denied: unknown\n'),
    (b"Error: runc: something new: OCI runtime error\n", "x", "something new: unknown\n"),
])
def test_are_told_as_kubernetes_does(said: bytes, program: str, shown: str) -> None:
    assert exec_errors.begins(said)
    assert exec_errors.words(said, program) == (BEGIN + shown).encode()


@pytest.mark.parametrize("said", [b"Error: my own\n", b"Error: crun: without an end", b"", b"hi\n", b"Error: \xff\n"])
def test_what_a_program_says_itself_is_left_alone(said: bytes) -> None:
    assert exec_errors.words(said, "x") is None
    assert not exec_errors.is_consequence(said)


def test_the_complaint_about_the_connection_is_known() -> None:
    assert exec_errors.is_consequence(
        b"Error: read unixpacket @->/proc/self/fd/13/attach: read: connection reset by peer\n")
