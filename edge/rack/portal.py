"""Effects: asks for a well known page, to tell the internet from a captive portal. Bounded, name lookup included."""

from __future__ import annotations

import http.client
import threading
from urllib.parse import urlsplit

KNOWN = {"network-test.debian.org": b"NetworkManager is online", "detectportal.firefox.com": b"success"}
"""What the page says when nobody is in between; of others the code has to be 204, or 200 without a redirection."""


def ask(url: str, seconds: float) -> str:
    """Return `open`, `portal` or `none`."""
    answers = ["none"]
    # The resolver of the C library knows no time limit: a thread that is left behind is the bound.
    thread = threading.Thread(target=lambda: answers.append(_fetch(url, seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[-1]


def _fetch(url: str, seconds: float) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=seconds)
    try:
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        return judge(parts.hostname or "", answer.status, answer.read(4096))
    except (OSError, http.client.HTTPException, ValueError):
        return "none"
    finally:
        connection.close()


def judge(host: str, status: int, body: bytes) -> str:
    """Return what an answer means."""
    expected = KNOWN.get(host, b"")
    return "open" if status == 204 or (status == 200 and expected in body) else "portal"
