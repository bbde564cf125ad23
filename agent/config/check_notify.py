"""Cross checks of channels: each has a name of its own, and one way out."""

from agent.config.findings import Findings


def check_notify(f: Findings) -> None:
    """Check everything that concerns channels."""
    first: dict[str, int] = {}
    for index, channel in enumerate(f.config.notify):
        before = first.setdefault(channel.id, index)
        if before != index:
            got = f"{channel.id!r}, which is taken ({f.place('notify', before, 'id')})"
            f.refuse("notify", index, "id", expected="a name of its own", got=got, remedy="rename one of the two")
        ways = [name for name in ("apprise", "webhook") if getattr(channel, name) is not None]
        if len(ways) != 1:
            got = "both" if ways else "neither"
            remedy = "write one of them; make two channels of two"
            f.refuse("notify", index, expected="apprise or webhook", got=got, remedy=remedy)
        elif (channel.key is None) is (ways == ["webhook"]):
            got = "no key" if channel.key is None else "a key without a webhook"
            remedy = "write key: {credential: NAME}" if channel.key is None else "remove key; only a webhook is signed"
            f.refuse("notify", index, expected="webhook and key together", got=got, remedy=remedy)
