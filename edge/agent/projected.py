"""Decides which files are in volumes made of data: ConfigMaps, Secrets, the downward API, tokens, and all together.

See https://kubernetes.io/docs/concepts/storage/projected-volumes/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from edge.agent import downward, environment
from edge.agent.surroundings import Surroundings
from edge.agent.volumes import DEFAULT_MODE, File
from edge.api import core
from edge.bus import messages

DEFAULT_TOKEN_SECONDS = 3600
TOKEN_MODE = 0o600
LONGEST_PATH, LONGEST_NAME = 4096, 255
MOST_LEVELS = 128


def files(volume: core.Volume, desired: messages.DesiredPod, address: str, around: Surroundings) -> tuple[File, ...]:
    """Return the files of a volume. Of two sources that name the same path the later one gives the file.

    Raises:
        environment.UnresolvedError, downward.UnknownFieldError: something it names is missing, or leads nowhere.
    """
    maker = _Maker(desired, address, around)
    if (config := volume.config_map) is not None:
        found = maker.config_map(config.name, config.items, _mode(config.default_mode), bool(config.optional))
    elif (secret := volume.secret) is not None:
        found = maker.secret(secret.secret_name, secret.items, _mode(secret.default_mode), bool(secret.optional))
    elif (api := volume.downward_api) is not None:
        found = maker.downward(api.items, _mode(api.default_mode))
    else:
        projected = volume.projected or core.ProjectedVolumeSource()
        mode = _mode(projected.default_mode)
        found = (file for source in projected.sources for file in maker.projection(source, mode))
    return _settled(found)


def _settled(found: Iterable[File]) -> tuple[File, ...]:
    """Return one file for each path. Raises UnresolvedError where a file is in the way of another one's directory."""
    files = {str(PurePosixPath(file.path)): file for file in found}
    for path in files:
        for parent in PurePosixPath(path).parents:
            if str(parent) in files:
                raise environment.UnresolvedError(f'conflicting paths "{parent}" and "{path}"')
    return tuple(files.values())


class _Maker:
    """Makes files out of what is known of one pod."""

    def __init__(self, desired: messages.DesiredPod, address: str, around: Surroundings) -> None:
        self._desired, self._address, self._around = desired, address, around

    def projection(self, source: core.VolumeProjection, mode: int) -> Iterable[File]:
        if (config := source.config_map) is not None:
            return self.config_map(config.name, config.items, mode, bool(config.optional))
        if (secret := source.secret) is not None:
            return self.secret(secret.name, secret.items, mode, bool(secret.optional))
        if (api := source.downward_api) is not None:
            return self.downward(api.items, mode)
        if (token := source.service_account_token) is not None:
            return self._token(token, mode)
        if (bundle := source.cluster_trust_bundle) is not None:
            if bundle.optional:
                return (File(safe(bundle.path), b"", mode),)
            raise environment.UnresolvedError("cluster trust bundles are not supported on this node")
        return ()

    def config_map(self, name: str, items: Iterable[core.KeyToPath], mode: int, optional: bool) -> Iterable[File]:
        config = self._desired.config_maps.get(name)
        if config is None:
            if optional:
                return ()
            raise environment.UnresolvedError(f'configmap "{name}" not found')
        values = {key: environment.config_value(config, key) for key in (*config.data, *config.binary_data)}
        return _chosen(values, items, mode, "" if optional else "config")

    def secret(self, name: str, items: Iterable[core.KeyToPath], mode: int, optional: bool) -> Iterable[File]:
        secret = environment.secret(self._desired, name)
        if secret is None:
            if optional:
                return ()
            raise environment.UnresolvedError(f'secret "{name}" not found')
        values = {key: environment.secret_value(secret, key) for key in (*secret.data, *secret.string_data)}
        return _chosen(values, items, mode, "" if optional else "secret")

    def downward(self, items: Iterable[core.DownwardAPIVolumeFile], mode: int) -> Iterator[File]:
        pod = self._desired.pod
        for item in items:
            text = ""
            if item.field_ref is not None:
                text = downward.field(pod, item.field_ref.field_path, self._address, self._around)
            elif (wanted := item.resource_field_ref) is not None:
                container = downward.container(pod, wanted.container_name)
                text = downward.resource(container, wanted.resource, str(wanted.divisor or ""), self._around)
            yield File(safe(item.path), text.encode(), _mode(item.mode, mode))

    def _token(self, asked: core.ServiceAccountTokenProjection, mode: int) -> Iterable[File]:
        pod, seconds = self._desired.pod, asked.expiration_seconds or DEFAULT_TOKEN_SECONDS
        for held in self._desired.tokens:
            if (held.audience, held.expiration_seconds) == (asked.audience, seconds):
                user, security = file_user(pod), pod.spec.security_context
                own = user is not None or (security is not None and security.fs_group is not None)
                return (File(safe(asked.path), held.token.encode(), TOKEN_MODE if own else mode, user),)
        if self._desired.withheld is not None:
            # After a reboot without its server the node has none; nobody could check one either. It comes later.
            return ()
        account = pod.spec.service_account_name or "default"
        raise environment.UnresolvedError(f'failed to fetch token: serviceaccounts "{account}" not found')


def file_user(pod: core.Pod) -> int | None:
    """Return the user all containers of the pod run as; None when they differ or the images decide."""
    whole = pod.spec.security_context.run_as_user if pod.spec.security_context is not None else None
    users = {whole if each.security_context is None or each.security_context.run_as_user is None
             else each.security_context.run_as_user for each in (*pod.spec.init_containers, *pod.spec.containers)}
    return users.pop() if len(users) == 1 else None


def _mode(given: int | None, default: int = DEFAULT_MODE) -> int:
    return default if given is None else given & 0o777


def safe(path: str) -> str:
    """Return a path that stays in its volume.

    Raises:
        UnresolvedError: it does not, or no file system takes it.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or parts[0].startswith(".."):
        raise environment.UnresolvedError(f'the path "{path}" leads out of the volume')
    if len(path) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise environment.UnresolvedError("invalid path: filename must be less than or equal to 255 characters")
    if len(parts) > MOST_LEVELS:
        raise environment.UnresolvedError(f"invalid path: it has more than {MOST_LEVELS} levels")
    return path


def _chosen(values: dict[str, bytes | None], items: Iterable[core.KeyToPath], mode: int,
            missing: str) -> tuple[File, ...]:
    """Return the wanted entries; a key that is not there is an error in the words of `missing`, or none if that is "".
    """
    wanted = tuple(items)
    if not wanted:
        return tuple(File(safe(key), value, mode) for key, value in sorted(values.items()) if value is not None)
    files = []
    for item in wanted:
        value = values.get(item.key)
        if value is not None:
            files.append(File(safe(item.path), value, _mode(item.mode, mode)))
        elif missing:
            raise environment.UnresolvedError(f"references non-existent {missing} key: {item.key}")
    return tuple(files)
