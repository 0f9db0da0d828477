"""PodSecurity: refuses pods, or warns about them, as the labels of their namespace ask for.

https://kubernetes.io/docs/concepts/security/pod-security-admission/
"""

from __future__ import annotations

from edge.api import apps, batch, core, errors, meta, replication, scheme, statefulsets
from edge.apiserver.admit import Attributes, Operation, Plugin
from edge.apiserver.lookup import Lookup
from edge.apiserver.plugins import pod_security_evaluation as evaluation
from edge.apiserver.plugins import pod_security_policy as policies
from edge.apiserver.plugins.pod_security_policy import PRIVILEGED

_TEMPLATED = (apps.Deployment, apps.ReplicaSet, apps.DaemonSet, statefulsets.StatefulSet, batch.Job, batch.CronJob,
              replication.ReplicationController, replication.PodTemplate)
_SECCOMP = "seccomp.security.alpha.kubernetes.io/"


class PodSecurity(Plugin):
    """Pods and what makes them, by the Pod Security Standards."""

    name = "PodSecurity"

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, resource: scheme.Resource, operation: Operation, subresource: str) -> bool:
        if operation not in ("CREATE", "UPDATE"):
            return False
        if resource.type is core.Pod:
            return subresource in ("", "ephemeralcontainers", "resize")
        return not subresource and resource.type in (core.Namespace, *_TEMPLATED)

    async def validate(self, request: Attributes) -> None:
        if isinstance(request.obj, core.Namespace):
            self._judge_namespace(request, request.obj)
            return
        namespace = self._lookup.one(core.Namespace, "", request.namespace)
        policy = policies.of_labels(namespace.metadata.labels)[0] if namespace else policies.EVERYTHING_GOES
        if policy is not policies.EVERYTHING_GOES and request.obj is not None:
            self._judge(request, request.obj, policy)

    def _judge_namespace(self, request: Attributes, new: core.Namespace) -> None:
        policy, causes = policies.of_labels(new.metadata.labels)
        old = request.old.metadata.labels if request.old is not None else {}
        before, causes_before = policies.of_labels(old)
        if causes and causes != causes_before:
            raise errors.invalid("", "Namespace", new.metadata.name, causes)
        enforce = policy.enforce
        if request.operation == "CREATE" or enforce.level == PRIVILEGED or enforce == before.enforce:
            return
        if enforce.version == before.enforce.version and not enforce.stricter_than(before.enforce):
            return
        pods = self._lookup.all(core.Pod, new.metadata.name)
        for text in evaluation.warnings_of_namespace(new.metadata.name, enforce, pods):
            request.write.warn(text)

    def _judge(self, request: Attributes, obj: meta.Object, policy: policies.Policy) -> None:
        """Refuse a pod that must not be; warn about one, or a template of one, that perhaps should not."""
        if isinstance(obj, core.Pod):
            if isinstance(request.old, core.Pod) and not significant(obj, request.old):
                return
            annotations, spec = obj.metadata.annotations, obj.spec
            if found := evaluation.violations(policy.enforce, annotations, spec):
                raise errors.forbidden("pods", request.name,
                                       f"violates {evaluation.sentence(policy.enforce, found)}")
        else:
            template = template_of(obj)
            if template is None:
                return
            annotations, spec = template.metadata.annotations, template.spec
        if found := evaluation.violations(policy.warn, annotations, spec):
            request.write.warn(f"would violate {evaluation.sentence(policy.warn, found)}")


def template_of(obj: meta.Object) -> core.PodTemplateSpec | None:
    """Return the pod template of a workload, or None."""
    if isinstance(obj, replication.PodTemplate):
        return obj.template
    if isinstance(obj, batch.CronJob):
        return obj.spec.job_template.spec.template
    found = getattr(getattr(obj, "spec", None), "template", None)
    return found if isinstance(found, core.PodTemplateSpec) else None


def significant(new: core.Pod, old: core.Pod) -> bool:
    """Return whether a change of a pod has to be judged: only of what a standard looks at."""
    return _images(new) != _images(old) or _filters(new) != _filters(old)


def _images(pod: core.Pod) -> tuple[tuple[str, str], ...]:
    spec = pod.spec
    return tuple((container.name, container.image)
                 for container in (*spec.init_containers, *spec.containers, *spec.ephemeral_containers))


def _filters(pod: core.Pod) -> dict[str, str]:
    return {key: value for key, value in pod.metadata.annotations.items() if _SECCOMP in key}
