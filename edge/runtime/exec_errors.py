"""What the engine writes into the stream of a command that could not be started, in the words Kubernetes' users know.

The engine answers as if the command had run, with its own error in place of the output and 126 or 127 as exit code.
"""

from __future__ import annotations

import re

_FAILED = re.compile(rb"(?s)Error: (?:crun|runc|OCI runtime error)(?:: (?:crun|runc))?: (.*)\n")
_AFTERWARDS = re.compile(rb"Error: (?:read|write) unixpacket [^\n]*\n|(?:unable to read|failed to read)[^\n]*\n")
_BEGIN = "OCI runtime exec failed: exec failed: unable to start container process: "
_OWN = (": OCI runtime attempted to invoke a command that was not found", ": OCI permission denied",
        ": OCI runtime error", ": OCI not found")  # fmt: skip


def begins(chunk: bytes) -> bool:
    """Say whether this may be the engine's own word rather than a command's."""
    return chunk.startswith(b"Error: ")


def words(chunk: bytes, program: str) -> bytes | None:
    """Return what is to be shown in place of the engine's word; None when the chunk is none."""
    match = _FAILED.fullmatch(chunk)
    if match is None:
        return None
    text = match[1].decode("utf-8", "replace").strip()
    for end in _OWN:
        text = text.removesuffix(end)
    if "executable file" in text and "not found" in text:
        text = f'exec: "{program}": ' + (f"stat {program}: no such file or directory" if "/" in program
                                         else "executable file not found in $PATH")
    elif "ermission denied" in text:
        text = f'exec: "{program}": permission denied'
    return f"{_BEGIN}{text}: unknown\n".encode()


def is_consequence(chunk: bytes) -> bool:
    """Say whether this is only the engine's complaint about the connection to a command that never was."""
    return _AFTERWARDS.fullmatch(chunk) is not None
