"""The handler of a pod's RuntimeClass goes to its node with the pod."""

from __future__ import annotations

from edge.api import core, meta, runtime_classes
from edge.bridge import desired


def pod(name: str, node: str = "node-1", runtime_class: str = "") -> core.Pod:
    return core.Pod(metadata=meta.ObjectMeta(name=name, uid=name),
                    spec=core.PodSpec(node_name=node, runtime_class_name=runtime_class))


def test_the_handler_is_told_and_makes_another_revision() -> None:
    plain, handled = (desired.pod_message(pod("a"), {}, {}, runtime_handler=handler) for handler in ("", "crun"))
    assert (plain.runtime_handler, handled.runtime_handler) == ("", "crun")
    assert plain.revision != handled.revision
    assert plain.revision == desired.pod_message(pod("a"), {}, {}).revision


def test_a_change_of_a_class_concerns_its_pods_that_have_a_node() -> None:
    pods = (pod("a", runtime_class="fast"), pod("b", runtime_class="slow"), pod("c"), pod("d", "", "fast"))
    named = runtime_classes.RuntimeClass(metadata=meta.ObjectMeta(name="fast"), handler="crun")
    assert [each.metadata.name for each in desired.of_class(named, pods)] == ["a"]
