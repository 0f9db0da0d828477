"""Fetches a page as a browser on the machine it runs on would: `python -m edge.lab.fetch URL`."""

from __future__ import annotations

import http.client
import sys
import urllib.request

TIMEOUT_SECONDS = 3.0


def main() -> None:
    """Print the page; exit code 1 with one sentence when there is none."""
    url = sys.argv[1]
    if not url.startswith("http://"):
        sys.exit(f"error: {url} is no http:// address")
    try:
        # Without proxies: the lab's addresses mean nothing outside of it.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=TIMEOUT_SECONDS) as response:
            sys.stdout.write(response.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"error: {url}: {error}")


if __name__ == "__main__":
    main()
