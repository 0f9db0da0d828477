"""Who gets which device, from what containers have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import device_allocation
from edge.agent.device_allocation import LABEL, Stock, UnavailableError
from edge.agent.device_claims import Claims
from edge.agent.devices import Node, Offers, Unit
from edge.api import core, meta
from edge.runtime.containers import Container, ContainerSpec, Device, State

SERIAL, GPIO = "edge.pi/serial", "edge.pi/gpio"
OFFERS: Offers = {
    SERIAL: tuple(Unit(name=f"ttyUSB{n}", nodes=(Node(f"/dev/ttyUSB{n}", 20),), shown=(f"/dev/ttyUSB{n}",))
                  for n in range(2)),
    GPIO: (Unit(name="all", share=2, shown=("/dev/gpiochip0", "/dev/gpiomem"),
                nodes=(Node("/dev/gpiochip0", 997), Node("/dev/gpiomem"))),)}


def asks(name: str = "main", **limits: str) -> core.Container:
    wanted: dict[str, meta.Quantity] = {f"edge.pi/{key}": value for key, value in limits.items()}
    return core.Container(name=name, resources=core.ResourceRequirements(limits=wanted, requests=wanted))


def container(uid: str, label: str, name: str = "main", state: State = State.RUNNING, attempt: int = 0) -> Container:
    return Container(id=f"{uid}-{name}-{attempt}", pod_uid=uid, name=name, attempt=attempt, spec_hash="", state=state,
                     image="", image_id="", labels={LABEL: label})


def stock(*containers: Container) -> Stock:
    return Stock(offers=OFFERS, resources=frozenset(OFFERS), holds=tuple(device_allocation.holds(containers)))


def test_nothing_for_who_asks_nothing() -> None:
    given = device_allocation.allocate(stock(), "a", core.Container(name="main"))
    assert (given.devices, given.groups, given.env, given.labels) == ((), (), (), {})


def test_a_device_with_its_group_its_variable_and_its_label() -> None:
    given = device_allocation.allocate(stock(), "a", asks(serial="1"))
    assert given.devices == (Device("/dev/ttyUSB0", "/dev/ttyUSB0"),)
    assert given.groups == (20,)
    assert given.env == (("EDGE_PI_SERIAL", "/dev/ttyUSB0"),)
    assert given.labels == {LABEL: "edge.pi/serial=ttyUSB0"}


def test_aliases_are_further_paths_and_those_with_colons_are_left_out() -> None:
    port = Unit(name="ttyUSB0", nodes=(Node("/dev/ttyUSB0", 0, ("/dev/serial0", "/dev/serial/by-path/usb-0:1:1")),),
                shown=("/dev/serial0",))
    given = device_allocation.allocate(replace(stock(), offers={SERIAL: (port,)}), "a", asks(serial="1"))
    assert given.devices == (Device("/dev/ttyUSB0", "/dev/ttyUSB0"), Device("/dev/ttyUSB0", "/dev/serial0"))
    assert given.groups == ()


def test_others_resources_are_not_ours() -> None:
    asked = core.Container(name="m", resources=core.ResourceRequirements(limits={"example.com/x": "3", "cpu": "100m"}))
    assert device_allocation.allocate(stock(), "a", asked).devices == ()


def test_what_runs_elsewhere_is_taken() -> None:
    given = device_allocation.allocate(stock(container("b", f"{SERIAL}=ttyUSB0")), "a", asks(serial="1"))
    assert given.labels[LABEL] == f"{SERIAL}=ttyUSB1"


def test_not_enough() -> None:
    taken = stock(container("b", f"{SERIAL}=ttyUSB0"))
    with pytest.raises(UnavailableError, match=r"^requested number of devices unavailable for edge.pi/serial. "
                                               r"Requested: 2, Available: 1$"):
        device_allocation.allocate(taken, "a", asks(serial="2"))


def test_a_container_gets_back_what_it_had() -> None:
    before = stock(container("a", f"{SERIAL}=ttyUSB1", state=State.EXITED))
    assert device_allocation.allocate(before, "a", asks(serial="1")).labels[LABEL] == f"{SERIAL}=ttyUSB1"


def test_only_the_newest_attempt_has_something() -> None:
    before = stock(container("b", f"{SERIAL}=ttyUSB0", state=State.EXITED),
                   container("b", f"{SERIAL}=ttyUSB1", attempt=1))
    assert device_allocation.allocate(before, "a", asks(serial="1")).labels[LABEL] == f"{SERIAL}=ttyUSB0"


def test_what_ended_lets_go_only_when_it_must() -> None:
    before = stock(container("b", f"{SERIAL}=ttyUSB0", state=State.EXITED))
    assert device_allocation.allocate(before, "a", asks(serial="1")).labels[LABEL] == f"{SERIAL}=ttyUSB1"
    assert len(device_allocation.allocate(before, "a", asks(serial="2")).devices) == 2


def test_an_init_container_that_ended_hands_over() -> None:
    before = stock(container("a", f"{SERIAL}=ttyUSB0", name="init", state=State.EXITED),
                   container("b", f"{SERIAL}=ttyUSB1"))
    assert device_allocation.allocate(before, "a", asks(serial="1")).labels[LABEL] == f"{SERIAL}=ttyUSB0"


@pytest.mark.parametrize("state", [State.CREATED, State.UNKNOWN, State.RUNNING])
def test_what_may_run_keeps_its_device(state: State) -> None:
    before = stock(container("b", f"{SERIAL}=ttyUSB0", state=state), container("c", f"{SERIAL}=ttyUSB1"))
    with pytest.raises(UnavailableError):
        device_allocation.allocate(before, "a", asks(serial="1"))


def test_a_shared_device_has_places() -> None:
    one = stock(container("b", f"{GPIO}=all"))
    assert len(device_allocation.allocate(one, "a", asks(gpio="1")).devices) == 2
    two = stock(container("b", f"{GPIO}=all"), container("c", f"{GPIO}=all"))
    with pytest.raises(UnavailableError, match="Requested: 1, Available: 0"):
        device_allocation.allocate(two, "a", asks(gpio="1"))


def test_two_places_of_one_device_are_one_device() -> None:
    given = device_allocation.allocate(stock(), "a", asks(gpio="2"))
    assert len(given.devices) == 2
    assert given.env == (("EDGE_PI_GPIO", "/dev/gpiochip0,/dev/gpiomem"),)
    held = stock(container("b", given.labels[LABEL]))
    with pytest.raises(UnavailableError):
        device_allocation.allocate(held, "a", asks(gpio="1"))


def test_a_resource_that_is_known_and_not_there() -> None:
    empty = Stock(offers={}, resources=frozenset({SERIAL}))
    with pytest.raises(UnavailableError, match="Available: 0"):
        device_allocation.allocate(empty, "a", asks(serial="1"))


def test_lost_devices() -> None:
    held = container("a", f"{SERIAL}=ttyUSB0,{SERIAL}=ttyUSB7,{GPIO}=all,other/x=1")
    assert device_allocation.lost(stock(), held) == ((SERIAL, "ttyUSB7"),)
    assert device_allocation.lost(Stock(), held) == ()


class TestClaims:
    def setup_method(self) -> None:
        self.claims = Claims()
        self.claims.offers, self.claims.resources = OFFERS, frozenset(OFFERS)
        self.pod = core.Pod(spec=core.PodSpec(containers=(asks(serial="1"),)))

    def spec(self, uid: str, given: Stock) -> ContainerSpec:
        allocation = device_allocation.allocate(given, uid, asks(serial="1"))
        return ContainerSpec(pod_uid=uid, pod_name="p", namespace="n", name="main", attempt=0, spec_hash="", image="",
                             image_id="", devices=allocation.devices, labels=dict(allocation.labels))

    def test_two_pods_that_choose_at_the_same_time_do_not_get_the_same(self) -> None:
        looks = [self.claims.stock(self.claims.version, {}, self.pod) for _ in range(2)]
        first, second = (self.spec(uid, look) for uid, look in zip("ab", looks, strict=True))
        assert first.labels == second.labels
        assert self.claims.take(first, looks[0].version)
        assert not self.claims.take(second, looks[1].version)
        again = self.claims.stock(self.claims.version, {}, self.pod)
        second = self.spec("b", again)
        assert second.labels[LABEL] == f"{SERIAL}=ttyUSB1"
        assert self.claims.take(second, again.version)

    def test_an_old_look_is_refused_after_the_creation_too(self) -> None:
        look = self.claims.stock(self.claims.version, {}, self.pod)
        first, late = self.spec("a", look), self.spec("b", look)
        assert self.claims.take(first, look.version)
        self.claims.settle(first)
        assert not self.claims.take(late, look.version)

    def test_what_could_not_be_created_is_free_again(self) -> None:
        look = self.claims.stock(self.claims.version, {}, self.pod)
        made = self.spec("a", look)
        assert self.claims.take(made, look.version)
        self.claims.settle(made)
        again = self.claims.stock(self.claims.version, {}, self.pod)
        assert again.holds == ()

    def test_who_asks_for_nothing_costs_nothing_and_waits_for_nobody(self) -> None:
        plain = core.Pod(spec=core.PodSpec(containers=(core.Container(name="main"),)))
        held = {"b": (container("b", f"{SERIAL}=ttyUSB0"),)}
        assert self.claims.stock(3, held, plain) == Stock(version=3)
        assert self.claims.stock(3, held, None) == Stock(version=3)
        spec = ContainerSpec(pod_uid="a", pod_name="p", namespace="n", name="main", attempt=0, spec_hash="", image="",
                             image_id="")
        assert self.claims.take(spec, -1)
