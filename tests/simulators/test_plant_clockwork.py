"""The plant's agenda: order, and one thing after another."""

from simulators.plant.clockwork import Clockwork


def test_things_happen_in_order_each_at_its_own_time() -> None:
    clock = Clockwork(100.0)
    seen: list[tuple[str, float, float]] = []
    for name, at in (("late", 130.0), ("early", 110.0), ("early too", 110.0), ("overdue", 50.0), ("never", 150.1)):
        clock.plan(at, lambda now, name=name: seen.append((name, now, clock.now)))
    clock.advance(150.0)
    assert seen == [
        ("overdue", 100.0, 100.0),
        ("early", 110.0, 110.0),
        ("early too", 110.0, 110.0),
        ("late", 130.0, 130.0),
    ]
    assert clock.now == 150.0
    clock.advance(120.0)
    assert clock.now == 150.0


def test_one_thing_ends_before_the_next_begins() -> None:
    clock = Clockwork(0.0)
    seen: list[str] = []

    def first(now: float) -> None:
        seen.append("first begins")
        clock.plan(now + 5.0, lambda _: seen.append("planned by the first"))
        clock.advance(now + 100.0)
        seen.append("first ends")

    clock.plan(10.0, first)
    clock.plan(10.0, lambda _: seen.append("second"))
    clock.advance(20.0)
    assert seen == ["first begins", "first ends", "second", "planned by the first"]
