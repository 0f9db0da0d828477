"""Which log files are kept, and which containers are moved away from the card."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.agent import log_rotation
from edge.agent.log_rotation import Divert, Keep, Limits, Log, Move, Part, Plan, Remove

LIMITS = Limits(max_bytes=1000, max_files=3, total_bytes=100_000, memory_bytes=4000)
CARD, MEMORY = "/logs/ns_pod_u/main", "/run/u/main.memory"


def part(name: str, inode: int, size: int = 1000, changed: float = 0.0, *, in_memory: bool = False) -> Part:
    parsed = log_rotation.parse(name)
    assert parsed is not None
    return Part(path=f"{MEMORY if in_memory else CARD}/{name}", attempt=parsed[0], number=parsed[1],
                identity=(2 if in_memory else 1, inode), size=size, changed=changed or float(inode),
                in_memory=in_memory)


def one(*parts: Part, diverted: bool = False) -> Log:
    return Log(card=CARD, memory=MEMORY, diverted=diverted, parts=parts)


def look(log: Log, before: Plan | None = None, now: float = 1000.0, limits: Limits = LIMITS,
         ended: frozenset[tuple[str, int]] = frozenset()) -> Plan:
    return log_rotation.plan((log,), before.sights if before else {}, limits, now, ended)


def test_names() -> None:
    assert log_rotation.parse("12.log") == (12, None)
    assert log_rotation.parse("0.log.3") == (0, 3)
    for name in ("0.log.tmp", "0.log.3.copy", "x.log", "0.log.", ".log", "٣.log", "0.log.3\n"):
        assert log_rotation.parse(name) is None


def test_a_chain_is_each_file_once_oldest_first() -> None:
    found = log_rotation.chain((part("0.log", 9), part("0.log.2", 9), part("0.log.10", 3), part("0.log.1", 7),
                                part("1.log", 4)), 0)
    assert [each.path.rpartition("/")[2] for each in found] == ["0.log.1", "0.log.2", "0.log.10"]
    unnamed = log_rotation.chain((part("0.log", 9), part("0.log.1", 7)), 0)
    assert [each.path.rpartition("/")[2] for each in unnamed] == ["0.log.1", "0.log"]


def test_a_file_left_behind_on_the_card_comes_before_those_in_memory() -> None:
    """The engine may have made one more file on the card at the moment its place was changed."""
    left = part("0.log", 9, 10, 5.0)
    parts = (part("0.log.1", 1, changed=3.0), left, part("0.log.2", 5, changed=7.0, in_memory=True),
             part("0.log", 6, changed=8.0, in_memory=True))
    assert [each.changed for each in log_rotation.chain(parts, 0)] == [3.0, 5.0, 7.0, 8.0]
    actions = look(one(parts[0], left, parts[3], diverted=True)).actions
    assert actions[:2] == (Keep(f"{CARD}/0.log", f"{CARD}/0.log.2"), Keep(f"{MEMORY}/0.log", f"{MEMORY}/0.log.3"))


def test_of_two_files_of_one_moment_the_full_one_is_older() -> None:
    parts = (part("0.log", 9, 10, 5.0), part("0.log", 6, 1000, 5.0, in_memory=True))
    assert [each.size for each in log_rotation.chain(parts, 0)] == [1000, 10]


def test_a_clock_that_went_back_does_not_change_the_order() -> None:
    found = log_rotation.chain((part("0.log.1", 1, changed=900.0), part("0.log.2", 2, changed=20.0),
                                part("0.log", 3, changed=30.0)), 0)
    assert [each.identity[1] for each in found] == [1, 2, 3]


def test_what_follows_a_file() -> None:
    files = log_rotation.chain((part("0.log.1", 5), part("0.log.2", 6), part("0.log", 7)), 0)
    assert log_rotation.following(files, (1, 5), 5.0) == files[1]
    assert log_rotation.following(files, (1, 7), 7.0) is None
    # One that was removed meanwhile is followed by what was written after it.
    assert log_rotation.following(files, (1, 99), 5.5) == files[1]
    assert log_rotation.following(files, (1, 99), 8.0) is None


def test_a_log_that_is_less_than_half_full_costs_nothing() -> None:
    assert look(one(part("0.log", 1, 499))).actions == ()


def test_a_log_gets_its_second_name_before_the_engine_replaces_it() -> None:
    first = look(one(part("0.log", 1, 500)))
    assert first.actions == (Keep(f"{CARD}/0.log", f"{CARD}/0.log.1"),)
    assert look(one(part("0.log", 1, 700), part("0.log.1", 1, 700)), first).actions == ()
    after = look(one(part("0.log", 2, 600), part("0.log.1", 1)), first, 2000.0)
    assert after.actions == (Keep(f"{CARD}/0.log", f"{CARD}/0.log.2"),)


def test_no_more_files_than_may_be_are_kept_of_each_attempt() -> None:
    names = tuple(part(f"0.log.{number}", number) for number in range(1, 6))
    live = part("0.log", 5, 900)
    assert look(one(*names, live)).actions == (Remove(f"{CARD}/0.log.1"), Remove(f"{CARD}/0.log.2"))
    assert look(one(*names[3:], live), limits=replace(LIMITS, max_files=1)).actions == (Remove(f"{CARD}/0.log.4"),)


def test_what_grows_fast_is_looked_at_soon() -> None:
    first = look(one(part("0.log", 1, 10)))
    assert first.seconds == log_rotation.LOOK_SECONDS
    assert look(one(part("0.log", 1, 510)), first, 1005.0).seconds == log_rotation.SHORT_LOOK_SECONDS
    assert look(one(part("0.log", 1, 20)), first, 1005.0).seconds == log_rotation.LOOK_SECONDS


def flood() -> Plan:
    """Return the look after two files were filled within seconds."""
    first = look(one(part("0.log", 1, 10)), now=0.0)
    second = look(one(part("0.log", 2, 10)), first, 5.0)
    assert not any(isinstance(action, Divert) for action in second.actions)  # how old the first was nobody knows
    return look(one(part("0.log", 3, 10)), second, 6.0)


def test_a_flood_is_written_to_memory_and_not_to_the_card() -> None:
    plan = flood()
    assert plan.actions == (Keep(f"{CARD}/0.log", f"{CARD}/0.log.1"), Divert(CARD, 0, True))
    assert plan.seconds == log_rotation.SHORT_LOOK_SECONDS


def test_a_new_container_that_floods_is_known_at_the_second_look() -> None:
    quiet = replace(one(part("0.log", 50, 10)), card="/logs/ns_quiet_v/main")
    first = look(quiet, now=0.0)
    second = log_rotation.plan((quiet, one(part("0.log", 7, 900))), first.sights, LIMITS, 2.0)
    assert second.seconds == log_rotation.SHORT_LOOK_SECONDS
    third = log_rotation.plan((quiet, one(part("0.log", 8, 900))), second.sights, LIMITS, 2.5)
    assert Divert(CARD, 0, True) in third.actions


def test_a_log_that_is_full_after_hours_is_no_flood() -> None:
    first = look(one(part("0.log", 1, 10)), now=0.0)
    second = look(one(part("0.log", 2, 10)), first, 5.0)
    third = look(one(part("0.log", 3, 10)), second, 5000.0)
    assert third.actions == ()


def test_an_inode_that_is_given_again_is_another_file_all_the_same() -> None:
    first = look(one(part("0.log", 1, 900), part("0.log.1", 1, 900)), now=0.0)
    second = look(one(part("0.log", 7, 100), part("0.log.1", 1)), first, 1.0)
    third = look(one(part("0.log", 7, 10), part("0.log.1", 1)), second, 2.0)
    assert Divert(CARD, 0, True) in third.actions


def test_of_a_flood_in_memory_only_the_last_files_are_kept() -> None:
    log = one(part("0.log.1", 1), part("0.log.2", 2, in_memory=True), part("0.log.3", 3, in_memory=True),
              part("0.log", 4, 900, in_memory=True), diverted=True)
    actions = look(log, flood(), 7.0).actions
    assert Remove(f"{MEMORY}/0.log.2") in actions
    assert Remove(f"{MEMORY}/0.log.3") not in actions
    assert Keep(f"{MEMORY}/0.log", f"{MEMORY}/0.log.4") in actions


def test_a_calm_container_goes_back_to_the_card() -> None:
    begun = look(one(part("0.log", 4, 10, in_memory=True), diverted=True), flood(), 7.0)
    assert begun.actions == (Keep(f"{MEMORY}/0.log", f"{MEMORY}/0.log.1"),)
    calm = one(part("0.log.5", 3, in_memory=True), part("0.log", 4, 20, in_memory=True), diverted=True)
    later = look(calm, begun, 67.0)
    assert later.actions == (Keep(f"{MEMORY}/0.log", f"{MEMORY}/0.log.6"), Divert(CARD, 0, False))
    # Then the files that are no longer written follow; the one that is stays until the engine lets go of it.
    back = look(replace(calm, diverted=False), later, 72.0)
    assert back.actions == (Move(f"{MEMORY}/0.log.5", f"{CARD}/0.log.5"),)
    over = look(replace(calm, diverted=False), later, 72.0, ended=frozenset({(CARD, 0)}))
    assert Move(f"{MEMORY}/0.log", f"{CARD}/0.log.6") in over.actions


def test_the_attempt_before_leaves_memory_at_once() -> None:
    log = one(part("0.log", 4, 10, in_memory=True), part("0.log.2", 4, 10, in_memory=True),
              part("1.log", 5, 10, in_memory=True), diverted=True)
    assert look(log, flood(), 7.0).actions == (Move(f"{MEMORY}/0.log.2", f"{CARD}/0.log.2"), Remove(f"{MEMORY}/0.log"))


@pytest.mark.parametrize("limits", [replace(LIMITS, memory_bytes=0), replace(LIMITS, memory_bytes=1999)])
def test_without_room_in_memory_everything_stays_on_the_card(limits: Limits) -> None:
    first = look(one(part("0.log", 1, 10)), now=0.0, limits=limits)
    second = look(one(part("0.log", 2, 10)), first, 5.0, limits)
    third = look(one(part("0.log", 3, 10)), second, 6.0, limits)
    assert not any(isinstance(action, Divert) for action in third.actions)
    assert Divert(CARD, 0, False) in look(one(part("0.log", 3, 10), diverted=True), second, 6.0, limits).actions


def test_only_as_many_containers_as_memory_holds_are_diverted() -> None:
    logs = [replace(one(), card=f"/logs/ns_p{index}_u{index}/main", parts=()) for index in range(3)]
    sights: dict[str, log_rotation.Sight] = {}
    for now in (0.0, 1.0, 2.0):
        round_logs = [replace(log, parts=(replace(part("0.log", int(now) + 1, 10), path=f"{log.card}/0.log"),))
                      for log in logs]
        plan = log_rotation.plan(round_logs, sights, LIMITS, now)
        sights = dict(plan.sights)
    assert len([action for action in plan.actions if isinstance(action, Divert)]) == 2


def test_over_the_nodes_limit_the_oldest_go_first_and_what_is_written_never() -> None:
    limits = replace(LIMITS, total_bytes=2500)
    log = one(part("0.log", 1, 900, 1.0), part("1.log.1", 2, 1000, 5.0), part("1.log.2", 3, 1000, 6.0),
              part("1.log", 4, 1000, 7.0))
    actions = look(log, limits=limits).actions
    assert [action for action in actions if isinstance(action, Remove)] == [
        Remove(f"{CARD}/1.log.1"), Remove(f"{CARD}/1.log.2")]
    least = look(log, limits=replace(limits, total_bytes=10)).actions
    assert Remove(f"{CARD}/0.log") in least
    assert Remove(f"{CARD}/1.log") not in least


def test_planning_again_after_the_plan_was_carried_out_does_nothing_more() -> None:
    plan = look(one(*(part(f"0.log.{number}", number) for number in range(1, 6)), part("0.log", 6, 900)))
    left = [*(part(f"0.log.{number}", number) for number in range(4, 6)), part("0.log.6", 6, 900),
            part("0.log", 6, 900)]
    assert look(one(*left), plan, 1001.0).actions == ()


def test_a_directory_without_logs_is_left_alone() -> None:
    assert look(one()).actions == ()
