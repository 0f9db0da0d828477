"""Which files are in volumes made of data."""

from __future__ import annotations

import base64

import pytest

from edge.agent import downward, environment, projected
from edge.agent.surroundings import Surroundings
from edge.agent.volumes import File
from edge.api import core, meta
from edge.bus import messages

AROUND = Surroundings(node_name="node-1", node_address="10.0.0.2", cpu_milli=4000, memory_bytes=1 << 30)
CONFIG = core.ConfigMap(data={"a": "1", "b": "2"}, binary_data={"c": base64.b64encode(b"\xff").decode()})
SECRET = core.Secret(data={"k": base64.b64encode(b"x").decode()})
TOKENS = (messages.PodToken("", 3607, "own"), messages.PodToken("vault", 600, "theirs"))


def files(volume: core.Volume, *, security: core.PodSecurityContext | None = None,
          withheld: messages.Withheld | None = None, tokens: tuple[messages.PodToken, ...] = TOKENS,
          secrets: dict[str, core.Secret] | None = None) -> tuple[File, ...]:
    container = core.Container(name="c", resources=core.ResourceRequirements(limits={"memory": "64Mi"}))
    pod = core.Pod(metadata=meta.ObjectMeta(name="p", namespace="shop", uid="u", labels={"b": "2", "a": 'say "1"'}),
                   spec=core.PodSpec(containers=(container,), security_context=security, service_account_name="robot"))
    wanted = messages.DesiredPod(revision="1", pod=pod, config_maps={"m": CONFIG}, tokens=tokens, withheld=withheld,
                                 secrets={"s": SECRET} if secrets is None else secrets)
    return projected.files(volume, wanted, "10.244.1.5", AROUND)


def together(*sources: core.VolumeProjection, mode: int | None = None) -> core.Volume:
    return core.Volume(name="v", projected=core.ProjectedVolumeSource(sources=sources, default_mode=mode))


def config(*items: core.KeyToPath, name: str = "m", optional: bool | None = None,
           mode: int | None = None) -> core.Volume:
    return core.Volume(name="v", config_map=core.ConfigMapVolumeSource(name=name, items=items, optional=optional,
                                                                      default_mode=mode))


def token(audience: str = "", seconds: int | None = 3607, path: str = "token") -> core.VolumeProjection:
    return core.VolumeProjection(service_account_token=core.ServiceAccountTokenProjection(
        audience=audience, expiration_seconds=seconds, path=path))


def test_a_config_map_shows_all_its_keys_or_the_chosen_ones_with_their_modes() -> None:
    assert files(config()) == (File("a", b"1"), File("b", b"2"), File("c", b"\xff"))
    assert files(config(core.KeyToPath(key="a", path="x/a"), core.KeyToPath(key="b", path="b", mode=0o755),
                        mode=0o400)) == (File("x/a", b"1", 0o400), File("b", b"2", 0o755))


def test_what_is_optional_may_be_missing() -> None:
    assert files(config(name="none", optional=True)) == ()
    assert files(config(core.KeyToPath(key="none", path="n"), core.KeyToPath(key="a", path="a"),
                        optional=True)) == (File("a", b"1"),)


@pytest.mark.parametrize(("volume", "message"), [
    (config(name="none"), 'configmap "none" not found'),
    (config(core.KeyToPath(key="none", path="p")), "references non-existent config key: none"),
    (config(core.KeyToPath(key="a", path="../a")), 'the path "../a" leads out of the volume'),
    (config(core.KeyToPath(key="a", path="/a")), 'the path "/a" leads out of the volume'),
    (config(core.KeyToPath(key="a", path="x" * 256)),
     "invalid path: filename must be less than or equal to 255 characters"),
    (config(core.KeyToPath(key="a", path="x"), core.KeyToPath(key="b", path="x/y")), 'conflicting paths "x" and "x/y"'),
    (core.Volume(name="v", secret=core.SecretVolumeSource(secret_name="s", items=(
        core.KeyToPath(key="none", path="p"),))), "references non-existent secret key: none"),
    (together(token("nobody")), 'failed to fetch token: serviceaccounts "robot" not found'),
    (together(core.VolumeProjection(cluster_trust_bundle=core.ClusterTrustBundleProjection(name="b", path="b"))),
     "cluster trust bundles are not supported on this node"),
])
def test_what_is_missing_or_leads_away_is_said(volume: core.Volume, message: str) -> None:
    with pytest.raises(environment.UnresolvedError) as caught:
        files(volume)
    assert str(caught.value) == message


def test_of_two_sources_with_the_same_path_the_later_one_counts() -> None:
    first = core.ConfigMapProjection(name="m", items=(core.KeyToPath(key="a", path="x"),))
    second = core.SecretProjection(name="s", items=(core.KeyToPath(key="k", path="x"),))
    volume = together(core.VolumeProjection(config_map=first), core.VolumeProjection(secret=second))
    assert files(volume) == (File("x", b"x"),)


def test_several_sources_in_one_directory() -> None:
    labels = core.DownwardAPIVolumeFile(path="labels", mode=0o400, field_ref=core.ObjectFieldSelector(
        field_path="metadata.labels"))
    limit = core.DownwardAPIVolumeFile(path="limit", resource_field_ref=core.ResourceFieldSelector(
        container_name="c", resource="limits.memory", divisor="1Mi"))
    volume = together(core.VolumeProjection(downward_api=core.DownwardAPIProjection(items=(labels, limit))),
                      core.VolumeProjection(secret=core.SecretProjection(name="s")), token(), mode=0o640)
    assert files(volume) == (File("labels", b'a="say \\"1\\""\nb="2"', 0o400), File("limit", b"64", 0o640),
                             File("k", b"x", 0o640), File("token", b"own", 0o640))


def test_each_audience_has_a_token_of_its_own() -> None:
    volume = together(token(), token("vault", 600, "vault/token"))
    assert [(file.path, file.content) for file in files(volume)] == [("token", b"own"), ("vault/token", b"theirs")]


def test_a_token_belongs_to_the_user_of_the_pod_or_to_its_group() -> None:
    assert files(together(token()), security=core.PodSecurityContext(run_as_user=7)) == (
        File("token", b"own", 0o600, 7),)
    assert files(together(token()), security=core.PodSecurityContext(fs_group=7)) == (File("token", b"own", 0o600),)
    assert files(together(token())) == (File("token", b"own", 0o644),)


def test_a_pod_known_from_the_card_waits_for_its_secrets_but_not_for_its_tokens() -> None:
    secret = core.Volume(name="v", secret=core.SecretVolumeSource(secret_name="s", optional=True))
    away = messages.Withheld(secrets=("s",))
    assert files(together(token()), withheld=away, tokens=(), secrets={}) == ()
    with pytest.raises(environment.UnresolvedError) as caught:
        files(secret, withheld=away, secrets={})
    assert str(caught.value) == 'secret "s" is not kept on the card of this node: waiting for the API server'
    assert files(secret, withheld=messages.Withheld(), secrets={}) == ()


def test_a_field_that_does_not_exist() -> None:
    item = core.DownwardAPIVolumeFile(path="p", field_ref=core.ObjectFieldSelector(field_path="spec.none"))
    with pytest.raises(downward.UnknownFieldError):
        files(core.Volume(name="v", downward_api=core.DownwardAPIVolumeSource(items=(item,))))
