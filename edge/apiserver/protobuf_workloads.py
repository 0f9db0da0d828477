"""The field numbers of StatefulSets, Jobs, CronJobs, autoscalers and disruption budgets; see `protobuf_fields`.

A kind whose versions have other numbers is named with its version.
"""

from __future__ import annotations

_AUTOSCALER_V2 = "metadata=1:ObjectMeta spec=2:AutoscalerSpecV2 status=3:AutoscalerStatus"

MESSAGES: dict[str, str] = {
    # apps
    "StatefulSet": "metadata=1:ObjectMeta spec=2:StatefulSetSpec status=3:StatefulSetStatus",
    "StatefulSetSpec": "replicas=1:i selector=2:LabelSelector template=3:PodTemplateSpec "
                       "volumeClaimTemplates=4:*PersistentVolumeClaim serviceName=5:s podManagementPolicy=6:s "
                       "updateStrategy=7:StatefulSetUpdateStrategy revisionHistoryLimit=8:i minReadySeconds=9:i "
                       "persistentVolumeClaimRetentionPolicy=10:ClaimRetentionPolicy ordinals=11:StatefulSetOrdinals",
    "StatefulSetUpdateStrategy": "type=1:s rollingUpdate=2:RollingUpdateStatefulSetStrategy",
    "RollingUpdateStatefulSetStrategy": "partition=1:i maxUnavailable=2:x",
    "ClaimRetentionPolicy": "whenDeleted=1:s whenScaled=2:s",
    "StatefulSetOrdinals": "start=1:i",
    "StatefulSetStatus": "observedGeneration=1:i replicas=2:i readyReplicas=3:i currentReplicas=4:i "
                         "updatedReplicas=5:i currentRevision=6:s updateRevision=7:s collisionCount=9:i "
                         "availableReplicas=11:i",
    # batch
    "Job": "metadata=1:ObjectMeta spec=2:JobSpec status=3:JobStatus",
    "JobSpec": "parallelism=1:i completions=2:i activeDeadlineSeconds=3:i selector=4:LabelSelector manualSelector=5:b "
               "template=6:PodTemplateSpec backoffLimit=7:i ttlSecondsAfterFinished=8:i completionMode=9:s "
               "suspend=10:b podFailurePolicy=11:PodFailurePolicy backoffLimitPerIndex=12:i maxFailedIndexes=13:i "
               "podReplacementPolicy=14:s managedBy=15:s successPolicy=16:SuccessPolicy",
    "PodFailurePolicy": "rules=1:*PodFailurePolicyRule",
    "PodFailurePolicyRule": "action=1:s onExitCodes=2:OnExitCodes onPodConditions=3:*OnPodConditions",
    "OnExitCodes": "containerName=1:s operator=2:s values=3:*i",
    "OnPodConditions": "type=1:s status=2:s",
    "SuccessPolicy": "rules=1:*SuccessPolicyRule",
    "SuccessPolicyRule": "succeededIndexes=1:s succeededCount=2:i",
    "JobStatus": "conditions=1:*JobCondition startTime=2:t completionTime=3:t active=4:i succeeded=5:i failed=6:i "
                 "completedIndexes=7:s uncountedTerminatedPods=8:UncountedTerminatedPods ready=9:i failedIndexes=10:s "
                 "terminating=11:i",
    "JobCondition": "type=1:s status=2:s lastProbeTime=3:t lastTransitionTime=4:t reason=5:s message=6:s",
    "UncountedTerminatedPods": "succeeded=1:*s failed=2:*s",
    "CronJob": "metadata=1:ObjectMeta spec=2:CronJobSpec status=3:CronJobStatus",
    "CronJobSpec": "schedule=1:s startingDeadlineSeconds=2:i concurrencyPolicy=3:s suspend=4:b "
                   "jobTemplate=5:JobTemplateSpec successfulJobsHistoryLimit=6:i failedJobsHistoryLimit=7:i "
                   "timeZone=8:s",
    "JobTemplateSpec": "metadata=1:ObjectMeta spec=2:JobSpec",
    "CronJobStatus": "active=1:*ObjectReference lastScheduleTime=4:t lastSuccessfulTime=5:t",
    # autoscaling
    "autoscaling/v1 HorizontalPodAutoscaler": "metadata=1:ObjectMeta spec=2:AutoscalerSpecV1 "
                                              "status=3:AutoscalerStatusV1",
    "AutoscalerSpecV1": "scaleTargetRef=1:CrossVersionObjectReference minReplicas=2:i maxReplicas=3:i "
                        "targetCPUUtilizationPercentage=4:i",
    "AutoscalerStatusV1": "observedGeneration=1:i lastScaleTime=2:t currentReplicas=3:i desiredReplicas=4:i "
                          "currentCPUUtilizationPercentage=5:i",
    "autoscaling/v2 HorizontalPodAutoscaler": _AUTOSCALER_V2,
    "autoscaling/v2beta2 HorizontalPodAutoscaler": _AUTOSCALER_V2,
    "AutoscalerSpecV2": "scaleTargetRef=1:CrossVersionObjectReference minReplicas=2:i maxReplicas=3:i "
                        "metrics=4:*MetricSpec behavior=5:AutoscalerBehavior",
    "AutoscalerStatus": "observedGeneration=1:i lastScaleTime=2:t currentReplicas=3:i desiredReplicas=4:i",
    "CrossVersionObjectReference": "kind=1:s name=2:s apiVersion=3:s",
    "MetricSpec": "type=1:s object=2:ObjectMetricSource pods=3:MetricSource resource=4:ResourceMetricSource "
                  "external=5:MetricSource containerResource=7:ResourceMetricSource",
    "ObjectMetricSource": "describedObject=1:CrossVersionObjectReference target=2:MetricTarget "
                          "metric=3:MetricIdentifier",
    "MetricSource": "metric=1:MetricIdentifier target=2:MetricTarget",
    "ResourceMetricSource": "name=1:s target=2:MetricTarget container=3:s",
    "MetricIdentifier": "name=1:s selector=2:LabelSelector",
    "MetricTarget": "type=1:s value=2:q averageValue=3:q averageUtilization=4:i",
    "AutoscalerBehavior": "scaleUp=1:HPAScalingRules scaleDown=2:HPAScalingRules",
    "HPAScalingRules": "selectPolicy=1:s policies=2:*HPAScalingPolicy stabilizationWindowSeconds=3:i",
    "HPAScalingPolicy": "type=1:s value=2:i periodSeconds=3:i",
    # policy
    "PodDisruptionBudget": "metadata=1:ObjectMeta spec=2:PodDisruptionBudgetSpec status=3:PodDisruptionBudgetStatus",
    "PodDisruptionBudgetSpec": "minAvailable=1:x selector=2:LabelSelector maxUnavailable=3:x "
                               "unhealthyPodEvictionPolicy=4:s",
    "PodDisruptionBudgetStatus": "observedGeneration=1:i disruptionsAllowed=3:i currentHealthy=4:i desiredHealthy=5:i "
                                 "expectedPods=6:i",
}
