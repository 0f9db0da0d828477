"""Requests made from our OpenAPI documents: some as they come, some mended until they get past the first checks."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance

from tests.integration.clients import every_kind

SLOWEST_ANSWER_SECONDS = 20
WATCH_SECONDS = "1"
STREAMS = ("exec", "attach", "portforward", "proxy", "log")
"""What needs a node behind it."""
NEVER_STORED = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService")
"""Kinds whose objects send the requests after them elsewhere."""
PATCHES = ("application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml",
           "application/json-patch+json")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MANIFESTS = {(m["apiVersion"], m["kind"]): m for m in every_kind.MANIFESTS}


@dataclass(frozen=True, slots=True)
class Access:
    """Where the server is, and who asks."""

    url: str
    ca: Path
    identity: tuple[Path, Path]
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, **named: Any) -> requests.Response:
        """Make a plain request."""
        self.session.trust_env = False
        return self.session.request(method, self.url + path, timeout=SLOWEST_ANSWER_SECONDS, verify=str(self.ca),
                                    cert=(str(self.identity[0]), str(self.identity[1])), **named)


@dataclass(slots=True)
class Found:
    """What came of one document."""

    requests: int = 0
    codes: dict[int, int] = field(default_factory=dict)


def operations_of(document: Any) -> Iterator[Any]:
    """Yield every operation of an OpenAPI document."""
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        yield result.ok()  # type: ignore[union-attr] # an Err has none and fails the test, as it should


def explore(access: Access, document: str, examples: int, *, thorough: bool) -> Found:
    """Ask everything one document says can be asked; thorough: at random, and in every place.

    Raises schemathesis' failures, with a command to repeat the request.
    """
    answer = access.ask("GET", f"/openapi/v3/{document}")
    assert answer.status_code == 200, answer.text
    found = Found()
    for operation in operations_of(answer.json()):
        if not needs_a_node(operation) and (thorough or not repeats_another(operation)):
            _explore(access, operation, examples, found, derandomize=not thorough)
    return found


def _explore(access: Access, operation: Any, examples: int, found: Found, *, derandomize: bool) -> None:
    wild = st.one_of(operation.as_strategy(), operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    plant(access, operation)

    @settings(max_examples=examples, derandomize=derandomize, deadline=None, database=None,
              suppress_health_check=list(HealthCheck), phases=[Phase.generate], print_blob=False)
    @given(case=operation.as_strategy(), other=wild, how=st.integers(0, 1 << 16))
    def check(case: Any, other: Any, how: int) -> None:
        case = mended(case, how) if how % 4 else other
        bounded(case)
        response = case.call(base_url=access.url, session=access.session, timeout=SLOWEST_ANSWER_SECONDS,
                             verify=str(access.ca), cert=(str(access.identity[0]), str(access.identity[1])))
        found.requests += 1
        found.codes[response.status_code] = found.codes.get(response.status_code, 0) + 1
        if response.status_code == 504 and b"ResourceVersionTooLarge" in response.content:
            return
        checks = [not_a_server_error, content_type_conformance] if response.status_code < 300 else [not_a_server_error]
        case.validate_response(response, checks=checks)

    check()


def needs_a_node(operation: Any) -> bool:
    """Tell whether the server would pass the request on."""
    return str(operation.path).rsplit("/", 1)[-1] in STREAMS


def repeats_another(operation: Any) -> bool:
    """Tell whether a body is written that another operation writes too: making one takes long."""
    method, path = str(operation.method), str(operation.path)
    return method == "put" and path.endswith(("/status", "/ephemeralcontainers", "/finalize"))


def plant(access: Access, operation: Any) -> None:
    """See to it that there is an object of the kind."""
    manifest = MANIFESTS.get(kind_of(operation))
    if manifest is not None:
        made = access.ask("POST", every_kind.collection(manifest), json=manifest)
        assert made.status_code in (201, 409), made.text


def kind_of(operation: Any) -> tuple[str, str]:
    """Return apiVersion and kind of what an operation is about."""
    kind = operation.definition.raw["x-kubernetes-group-version-kind"]
    return f"{kind['group']}/{kind['version']}".lstrip("/"), kind["kind"]


def bounded(case: Any) -> None:
    """Keep a request from lasting, and from what would spoil those after it."""
    query = dict(case.query or {})
    if "watch" in query:
        query["timeoutSeconds"] = WATCH_SECONDS
    if kind_of(case.operation)[1] in NEVER_STORED and case.method != "GET":
        query["dryRun"] = "All"
    case.query = query


def mended(case: Any, how: int) -> Any:
    """Return the request with an object that exists, and a body that begins well."""
    kind = dict(zip(("apiVersion", "kind"), kind_of(case.operation), strict=True))
    planted = MANIFESTS.get(kind_of(case.operation), {})
    name = planted.get("metadata", {}).get("name", "one")
    case.path_parameters = {key: "default" if key == "namespace" else name for key in case.path_parameters or {}}
    if how % 16 < 12:
        case.query = {}
    if case.method == "GET" and how & 16:
        case.headers = {"Accept": TABLE}
    elif case.method in ("POST", "PUT"):
        case.media_type = "application/json"
        case.body = body_of(case.body, planted, how) | kind
        if case.method == "POST" and how & 16:
            case.body["metadata"] = {"generateName": "fuzz-"}
    elif case.method == "PATCH":
        case.media_type = PATCHES[how % 4]
        if case.media_type.startswith("application/apply"):
            case.query = {"fieldManager": "fuzz", "force": "true"}
        case.body = body_of(case.body, planted, how) | kind
        if case.media_type.startswith("application/json-patch"):
            case.body = operations(dict(planted), case.body, how >> 4)
    return case


def body_of(generated: Any, planted: Mapping[str, Any], how: int) -> dict[str, Any]:
    """Return a whole object with one generated branch, or the generated one with decent metadata."""
    generated = generated if isinstance(generated, dict) else {}
    metadata = copy.deepcopy(planted.get("metadata", {"name": "one"}))
    if how & 32:
        return {**generated, "metadata": metadata}
    return {**grafted(dict(planted), {key: value for key, value in generated.items() if key != "metadata"}, how >> 6),
            "metadata": metadata}


def grafted(whole: Any, extra: Any, how: int) -> Any:
    """Return `whole` with one branch of `extra`, chosen by `how`."""
    if not isinstance(whole, dict) or not isinstance(extra, dict) or not extra:
        return copy.deepcopy(extra) if extra is not None else whole
    key = sorted(extra)[how % len(extra)]
    return {**whole, key: grafted(whole.get(key), extra[key], how // len(extra))}


def operations(whole: Any, extra: Any, how: int) -> list[dict[str, Any]]:
    """Return a JSON patch of places that exist, and what to put there."""
    places = [""]
    while isinstance(whole, dict | list) and whole and how % 5:
        key = sorted(whole)[how % len(whole)] if isinstance(whole, dict) else how % len(whole)
        whole, how = whole[key], how // 5
        places.append(f"{places[-1]}/{key}")
    word = ("add", "remove", "replace", "move", "copy", "test")[how % 6]
    return [{"op": word, "path": places[-1], "from": places[how % len(places)], "value": extra}]
