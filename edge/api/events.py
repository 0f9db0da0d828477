"""Events: what happened to an object, for people who look into it; kept in memory for a while."""

from __future__ import annotations

from typing import Annotated

from edge.api import meta
from edge.api.meta import doc
from edge.api.resource import Resource


class EventSource(meta.Struct):
    """Who saw the event."""

    component: Annotated[str, doc("Program, such as edge-agent.")] = ""
    host: Annotated[str, doc("Node the program runs on.")] = ""


class EventSeries(meta.Struct):
    """The same event, again and again."""

    count: Annotated[int, doc("How often it has happened.")] = 0
    last_observed_time: Annotated[meta.Time | None, doc("When it happened last, with microseconds.")] = None


class Event(meta.Object):
    """Something that happened to an object."""

    involved_object: Annotated[meta.ObjectReference, doc(
        "The object it happened to.", required=True)] = meta.written(meta.ObjectReference)
    reason: Annotated[str, doc("Why, in one word such as Pulled or FailedScheduling.")] = ""
    message: Annotated[str, doc("A sentence for people.")] = ""
    source: Annotated[EventSource, doc("Who saw it.")] = EventSource()
    first_timestamp: Annotated[meta.Time | None, doc("When it was first seen.")] = None
    last_timestamp: Annotated[meta.Time | None, doc("When it was last seen.")] = None
    count: Annotated[int, doc("How often it was seen.")] = 0
    type: Annotated[str, doc("Normal or Warning.")] = ""
    event_time: Annotated[meta.Time | None, doc("When it was first seen, with microseconds.")] = None
    series: Annotated[EventSeries | None, doc("The repetitions.")] = None
    action: Annotated[str, doc("What was done or failed about it.")] = ""
    related: Annotated[meta.ObjectReference | None, doc("A second object that took part.")] = None
    reporting_component: Annotated[str, doc("Controller that reports it, such as edge.io/scheduler.")] = ""
    reporting_instance: Annotated[str, doc("Instance of that controller.")] = ""


class RegardingEvent(meta.Object):
    """Something that happened to an object, as the group events.k8s.io shows it. Only described, never kept."""

    event_time: Annotated[meta.Time | None, doc("When it was first seen, with microseconds.")] = None
    series: Annotated[EventSeries | None, doc("The repetitions.")] = None
    reporting_controller: Annotated[str, doc("Controller that reports it, such as edge.io/scheduler.")] = ""
    reporting_instance: Annotated[str, doc("Instance of that controller.")] = ""
    action: Annotated[str, doc("What was done or failed about it.")] = ""
    reason: Annotated[str, doc("Why, in one word such as Pulled or FailedScheduling.")] = ""
    regarding: Annotated[meta.ObjectReference, doc("The object it happened to.")] = meta.ObjectReference()
    related: Annotated[meta.ObjectReference | None, doc("A second object that took part.")] = None
    note: Annotated[str, doc("A sentence for people.")] = ""
    type: Annotated[str, doc("Normal or Warning.")] = ""
    deprecated_source: Annotated[EventSource, doc("Who saw it, in events of before.")] = EventSource()
    deprecated_first_timestamp: Annotated[meta.Time | None, doc("When it was first seen, in events of before.")] = None
    deprecated_last_timestamp: Annotated[meta.Time | None, doc("When it was last seen, in events of before.")] = None
    deprecated_count: Annotated[int, doc("How often it was seen, in events of before.")] = 0


RESOURCES = (
    Resource(group="", version="v1", kind="Event", plural="events", type=Event, short_names=("ev",), volatile=True,
             old_versions=("events.k8s.io/v1", "events.k8s.io/v1beta1")),
)
