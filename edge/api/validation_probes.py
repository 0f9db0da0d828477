"""What is wrong with probes and hooks, and with the actions they take."""

from __future__ import annotations

import re

from edge.api import containers
from edge.api import validation_words as words
from edge.api.validation_words import Causes

_Action = (containers.ExecAction | containers.HTTPGetAction | containers.TCPSocketAction | containers.GRPCAction
           | containers.SleepAction)


def probe(here: str, check: containers.Probe | None, *, once: bool = False) -> Causes:
    """Yield what is wrong with a probe; with `once`, one success must be enough."""
    if check is None:
        return
    yield from _handler(here, (("exec", check.exec), ("httpGet", check.http_get), ("tcpSocket", check.tcp_socket),
                               ("grpc", check.grpc)))
    for field, seconds in (("initialDelaySeconds", check.initial_delay_seconds),
                           ("timeoutSeconds", check.timeout_seconds), ("periodSeconds", check.period_seconds),
                           ("successThreshold", check.success_threshold),
                           ("failureThreshold", check.failure_threshold)):
        yield from words.at_least(f"{here}.{field}", seconds)
    grace = check.termination_grace_period_seconds
    if grace is not None and grace <= 0:
        yield words.invalid(f"{here}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    if once and check.success_threshold != 1:
        yield words.invalid(f"{here}.successThreshold", check.success_threshold, "must be 1")


def _handler(here: str, actions: tuple[tuple[str, _Action | None], ...]) -> Causes:
    """Yield what is wrong with the one action that must be given."""
    given = [(field, action) for field, action in actions if action is not None]
    if not given:
        yield words.required(here, "must specify a handler type")
    for number, (field, action) in enumerate(given):
        if number:
            yield words.forbidden(f"{here}.{field}", "may not specify more than 1 handler type")
        else:
            yield from _action(f"{here}.{field}", action)


def _action(here: str, action: _Action) -> Causes:
    if isinstance(action, containers.ExecAction):
        if not action.command:
            yield words.required(f"{here}.command")
    elif isinstance(action, containers.SleepAction):
        yield from words.at_least(f"{here}.seconds", action.seconds)
    elif isinstance(action, containers.GRPCAction):
        yield from words.check(f"{here}.port", action.port, words.port_number)
    else:
        yield from words.int_or_string(f"{here}.port", action.port)
        if isinstance(action, containers.HTTPGetAction):
            if not action.path:
                yield words.required(f"{here}.path")
            yield from words.one_of(f"{here}.scheme", action.scheme, ("HTTP", "HTTPS"))
            for index, header in enumerate(action.http_headers):
                if not re.fullmatch(r"[-A-Za-z0-9]+", header.name):
                    yield words.invalid(f"{here}.httpHeaders[{index}].name", header.name,
                                        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                                        "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')")


def lifecycle(here: str, hooks: containers.Lifecycle | None) -> Causes:
    """Yield what is wrong with the hooks of a container."""
    if hooks is None:
        return
    for field, hook in (("postStart", hooks.post_start), ("preStop", hooks.pre_stop)):
        if hook is not None:
            yield from _handler(f"{here}.{field}", (("exec", hook.exec), ("httpGet", hook.http_get),
                                                    ("tcpSocket", hook.tcp_socket), ("sleep", hook.sleep)))
