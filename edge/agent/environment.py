"""Decides a container's environment: service variables, envFrom, env, and $(VAR) in values, command and arguments.

See https://kubernetes.io/docs/tasks/inject-data-application/.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from edge.agent import downward
from edge.agent.surroundings import Surroundings
from edge.api import core, topology
from edge.bus import messages

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
# What a variable may be called: any printable ASCII but the equals sign.
_NAME = re.compile(r"[ -<>-~]+")
MOST_CHARACTERS = 4 << 20
"""Of all variables, or all arguments, of one container. The kernel takes less; variables made of variables of variables
would fill any memory long before it is asked."""


class UnresolvedError(Exception):
    """Something the container needs is not there; the text is Kubernetes' message for CreateContainerConfigError."""


def expand(text: str, env: Mapping[str, str], most: int = MOST_CHARACTERS) -> str:
    """Return text with `$(NAME)` replaced by known variables; unknown ones stay, `$$` is a dollar sign.

    Raises:
        UnresolvedError: that is longer than `most`.
    """
    left = most - len(text)

    def replacement(match: re.Match[str]) -> str:
        nonlocal left
        value = "$" if match[1] == "$" else env.get(match[2], match[0])
        left -= len(value) - len(match[0])
        if left < 0:
            raise _too_long()
        return value

    return _REFERENCE.sub(replacement, text)


def expand_all(words: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words of a command with their variables. Raises UnresolvedError where they are too long together."""
    left, found = MOST_CHARACTERS, []
    for word in words:
        found.append(expand(word, env, left))
        left -= len(found[-1])
    return tuple(found)


def _too_long() -> UnresolvedError:
    return UnresolvedError(f"variables or arguments are longer than {MOST_CHARACTERS} characters together")


def references(text: str) -> tuple[str, ...]:
    """Return the names of the variables that text refers to."""
    return tuple(match[2] for match in _REFERENCE.finditer(text) if match[1] != "$")


def secret(desired: messages.DesiredPod, name: str) -> core.Secret | None:
    """Return a Secret of the pod; None where there is none.

    Raises:
        UnresolvedError: there is one, but the node does not have its values.
    """
    found = desired.secrets.get(name)
    if found is None and desired.withheld is not None and name in desired.withheld.secrets:
        raise UnresolvedError(f'secret "{name}" is not kept on the card of this node: waiting for the API server')
    return found


def secret_value(secret: core.Secret, key: str) -> bytes | None:
    """Return a decoded value; None where there is no such key."""
    if key in secret.string_data:
        return secret.string_data[key].encode()
    if key not in secret.data:
        return None
    try:
        return base64.b64decode(secret.data[key], validate=True)
    except (binascii.Error, ValueError):
        return None


def config_value(config: core.ConfigMap, key: str) -> bytes | None:
    """Return a value of `data` or `binaryData`; None where there is no such key."""
    if key in config.data:
        return config.data[key].encode()
    if key not in config.binary_data:
        return None
    try:
        return base64.b64decode(config.binary_data[key], validate=True)
    except (binascii.Error, ValueError):
        return None


def resolve(container: core.Container, desired: messages.DesiredPod, address: str,
            around: Surroundings) -> tuple[tuple[str, str], ...]:
    """Return the variables of a container, in the order they were defined.

    Raises:
        UnresolvedError: a ConfigMap, Secret, key or field that is not optional is missing, or all is too long.
    """
    pod = desired.pod
    env = service_variables(around.services.values(), pod.metadata.namespace,
                            links=pod.spec.enable_service_links is not False)
    left = MOST_CHARACTERS
    for source in container.env_from:
        found = _from_source(source, desired)
        left -= sum(map(len, found.values()))
        if left < 0:
            raise _too_long()
        env.update(found)
    for variable in container.env:
        value = _value(variable, container, desired, address, around, env, left)
        if value is not None:
            left -= len(value)
            if left < 0:
                raise _too_long()
            env[variable.name] = value
    return tuple(env.items())


def _from_source(source: core.EnvFromSource, desired: messages.DesiredPod) -> dict[str, str]:
    values = _source_values(source, desired)
    return {name: _text(value, key) for key, value in values.items()
            if value is not None and _NAME.fullmatch(name := source.prefix + key)}


def _source_values(source: core.EnvFromSource, desired: messages.DesiredPod) -> dict[str, bytes | None]:
    namespace = desired.pod.metadata.namespace
    if (wanted := source.config_map_ref) is not None:
        config = desired.config_maps.get(wanted.name)
        if config is not None:
            return {key: config_value(config, key) for key in config.data}
        if not wanted.optional:
            raise UnresolvedError(f'configmap "{wanted.name}" not found')
    elif (named := source.secret_ref) is not None:
        held = secret(desired, named.name)
        if held is not None:
            return {key: secret_value(held, key) for key in (*held.data, *held.string_data)}
        if not named.optional:
            raise UnresolvedError(f'secret "{named.name}" not found')
    else:
        raise UnresolvedError(f"envFrom of pod {namespace}/{desired.pod.metadata.name} names no source")
    return {}


def skipped(container: core.Container, desired: messages.DesiredPod) -> tuple[str, ...]:
    """Return the messages about keys that envFrom leaves out because no variable can be called so."""
    told = []
    for source in container.env_from:
        kind, named = ("configMap", source.config_map_ref) if source.config_map_ref else ("secret", source.secret_ref)
        names = sorted(source.prefix + key for key in _source_values(source, desired)
                       if not _NAME.fullmatch(source.prefix + key))
        if names and named is not None:
            told.append(f"Keys [{', '.join(names)}] from the EnvFrom {kind} {desired.pod.metadata.namespace}/"
                        f"{named.name} were skipped since they are considered invalid environment variable names.")
    return tuple(told)


def _text(value: bytes, key: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise UnresolvedError(f"the value of key {key} is no text, so it cannot be a variable") from error


def _value(variable: core.EnvVar, container: core.Container, desired: messages.DesiredPod, address: str,
           around: Surroundings, env: Mapping[str, str], most: int) -> str | None:
    source = variable.value_from
    if source is None:
        return expand(variable.value, env, most)
    try:
        if source.field_ref is not None:
            return downward.field(desired.pod, source.field_ref.field_path, address, around)
        if (wanted := source.resource_field_ref) is not None:
            of = downward.container(desired.pod, wanted.container_name) if wanted.container_name else container
            return downward.resource(of, wanted.resource, str(wanted.divisor or ""), around)
    except downward.UnknownFieldError as error:
        raise UnresolvedError(str(error)) from error
    return _from_key(source, desired)


def _from_key(source: core.EnvVarSource, desired: messages.DesiredPod) -> str | None:
    namespace = desired.pod.metadata.namespace
    if (wanted := source.config_map_key_ref) is not None:
        config = desired.config_maps.get(wanted.name)
        value = config_value(config, wanted.key) if config is not None else None
        kind, name, key, optional, found = "ConfigMap", wanted.name, wanted.key, wanted.optional, config is not None
    elif (named := source.secret_key_ref) is not None:
        held = secret(desired, named.name)
        value = secret_value(held, named.key) if held is not None else None
        kind, name, key, optional, found = "Secret", named.name, named.key, named.optional, held is not None
    else:
        return ""
    if value is not None:
        return _text(value, key)
    if optional:
        return None
    if not found:
        raise UnresolvedError(f'{kind.lower()} "{name}" not found')
    raise UnresolvedError(f"couldn't find key {key} in {kind} {namespace}/{name}")


def service_variables(services: Iterable[topology.Service], namespace: str, *, links: bool) -> dict[str, str]:
    """Return the variables that name the services of the pod's namespace; `kubernetes` is always among them.

    See https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
    """
    env: dict[str, str] = {}
    for service in sorted(services, key=lambda each: (each.namespace, each.name)):
        is_api = (service.namespace, service.name) == ("default", "kubernetes")
        wanted = is_api or (links and service.namespace == namespace)
        if wanted and service.ports and service.cluster_ip not in ("", "None"):
            env.update(_variables(service))
    return env


def _variables(service: topology.Service) -> dict[str, str]:
    prefix, address, first = _variable(service.name), service.cluster_ip, service.ports[0]
    env = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(first.port)}
    env |= {f"{prefix}_SERVICE_PORT_{_variable(port.name)}": str(port.port) for port in service.ports if port.name}
    env[f"{prefix}_PORT"] = f"{first.protocol.lower()}://{address}:{first.port}"
    for port in service.ports:
        stem, protocol = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}", port.protocol.lower()
        env |= {stem: f"{protocol}://{address}:{port.port}", f"{stem}_PROTO": protocol,
                f"{stem}_PORT": str(port.port), f"{stem}_ADDR": address}
    return env


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
