"""Lanes stop where they ask to, hand on errors, and end when they are closed."""

import threading

import pytest

from ccsolve_torch.repairing.lockstep import Lane

pytestmark = pytest.mark.torch


def test_lanes_take_turns_with_the_caller() -> None:
    seen: list[str] = []

    def work(name: str):
        def run(stop) -> None:
            for number in range(2):
                seen.append(f"{name}{number}")
                stop()

        return run

    lanes = [Lane(work("a")), Lane(work("b"))]
    assert seen == []
    assert [lane.advance() for lane in lanes] == [True, True]
    assert [lane.advance() for lane in lanes] == [True, True]
    assert seen == ["a0", "b0", "a1", "b1"]
    assert [lane.advance() for lane in lanes] == [False, False]
    assert not lanes[0].advance()
    for lane in lanes:
        lane.close()


def test_what_the_work_raises_reaches_the_caller() -> None:
    def work(stop) -> None:
        stop()
        raise ValueError("of the work")

    lane = Lane(work)
    assert lane.advance()
    with pytest.raises(ValueError, match="of the work"):
        lane.advance()
    assert not lane.advance()
    lane.close()


@pytest.mark.parametrize("advances", [0, 1, 2])
def test_a_closed_lane_ends_its_work(advances) -> None:
    ended: list[str] = []

    def work(stop) -> None:
        try:
            stop()
            ended.append("went on")
        finally:
            ended.append("cleaned up")

    before = threading.active_count()
    lane = Lane(work)
    for _ in range(advances):
        lane.advance()
    lane.close()
    lane.close()
    assert threading.active_count() == before
    assert ended == [[], ["cleaned up"], ["went on", "cleaned up"]][advances]
