"""The table of docs/api.md: every kind, verb and subresource, as the server really answers. Made anew by

    EDGE_WRITE_DOCS=1 .venv/bin/python -m pytest tests/integration/apiserver/test_api_table.py
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from tests.integration.conftest import Cluster

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH",
           "delete": "DELETE", "deletecollection": "DELETE"}
NOBODY = "no-such-object"
STREAMED = ("attach", "exec", "log", "portforward", "proxy")
NOT_SERVED = "the server could not find the requested resource"


async def served(cluster: Cluster) -> list[tuple[str, dict[str, Any]]]:
    """Return group version and entry of every resource in discovery, subresources included."""
    groups = (await cluster.request("GET", "/apis", code=200))["groups"]
    versions = ["v1", *(version["groupVersion"] for group in groups for version in group["versions"])]
    found = []
    for version in versions:
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        found += [(version, entry) for entry in (await cluster.request("GET", root, code=200))["resources"]]
    return found


def address(version: str, entry: dict[str, Any], verb: str) -> str:
    """Return where a verb is asked for, on an object that is not there."""
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    plural, _, subresource = entry["name"].partition("/")
    path = f"{root}/namespaces/default/{plural}" if entry["namespaced"] else f"{root}/{plural}"
    if subresource:
        return f"{path}/{NOBODY}/{subresource}"
    query = {"watch": "?watch=true&timeoutSeconds=1&allowWatchBookmarks=true",
             "deletecollection": f"?fieldSelector=metadata.name={NOBODY}"}.get(verb, "")
    return path + query if verb in ("list", "watch", "create", "deletecollection") else f"{path}/{NOBODY}"


async def answers(cluster: Cluster, version: str, entry: dict[str, Any], verb: str) -> bool:
    """Return whether the server knows the verb: anything but "not served" and "not allowed" is an answer."""
    kind = "application/merge-patch+json" if verb == "patch" else "application/json"
    body = b"{}" if METHODS[verb] in ("POST", "PUT", "PATCH") else None
    async with cluster.http.request(METHODS[verb], cluster.url + address(version, entry, verb), data=body,
                                    headers={"Content-Type": kind}) as answer:
        assert answer.status < 500 or answer.status == 503, (version, entry["name"], verb, await answer.text())
        if verb == "watch" and answer.status == 200:
            return True
        found = msgspec.json.decode(await answer.read())
        return answer.status != 405 and found.get("message") != NOT_SERVED


def rows(found: Iterable[tuple[str, dict[str, Any]]]) -> str:
    lines = ["| kind | group/version | namespaced | short names | verbs |", "| --- | --- | --- | --- | --- |"]
    for version, entry in found:
        _, _, subresource = entry["name"].partition("/")
        verbs = ", ".join(verb for verb in VERBS if verb in entry["verbs"])
        if set(VERBS) <= set(entry["verbs"]):
            verbs = "all"
        if subresource:
            lines.append(f"| | | | `/{subresource}` | {verbs} |")
            continue
        short = ", ".join(entry.get("shortNames", ()))
        lines.append(f"| {entry['kind']} | {version} | {'yes' if entry['namespaced'] else 'no'} | {short} | {verbs} |")
    return "\n".join(lines) + "\n"


async def test_the_server_answers_what_discovery_says_and_the_page_says_so_too(cluster: Cluster) -> None:
    found = await served(cluster)
    for version, entry in found:
        wrong = [verb for verb in VERBS if entry["name"].partition("/")[2] not in STREAMED
                 and (verb in entry["verbs"]) != await answers(cluster, version, entry, verb)
                 and not (verb in ("list", "watch", "deletecollection") and "/" in entry["name"])]
        assert not wrong, (version, entry["name"], wrong)
    table = rows(found)
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    shown, _, after = rest.partition(END)
    if os.environ.get("EDGE_WRITE_DOCS"):
        PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}")
        return
    assert shown == table, "docs/api.md is out of date: see the top of this file for how to make it anew"
