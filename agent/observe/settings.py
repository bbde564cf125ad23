"""How often devices are polled, and how much a poll may take. Values only; the poller gives them meaning."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PollSettings:
    """Periods, deadlines and bounds of the observe stage.

    Attributes:
        interval_s: period of a miner's poll in s. A miner that answers, fell silent lately, or is in focus is polled at
            this rate. Source: facts "detection", section 7 (5 to 8 s keep the data's age at p95 below 10 s).
        deadline_s: the one deadline of a miner's poll in s, over connection and reply together.
        concurrency: most miner polls in flight at once: half for miners that answer, half for those that are silent.
            A bound on sockets, which a small site never reaches. Source: facts "infrastructure", section 7 (14,000
            miners that answer in 0.2 s are 301 in flight; those that do not answer are 2,048 and more).
        reply_limit_bytes: longest reply of a miner that is read; a longer one counts as faulty.
        pdu_interval_s: period of a PDU's read in s.
        switch_interval_s: period of a switch's read in s.
        cooling_interval_s: period of a cooling unit's read in s: chips without coolant reach their limit in 40
            (facts "detection", section 5), and are to have been stopped by then.
        focus_interval_s: period in s of the reads of PDUs and switches that serve a miner in focus, and the deadline of
            every read of a PDU or switch.
    """

    interval_s: float = 8.0
    deadline_s: float = 5.0
    concurrency: int = 1024
    reply_limit_bytes: int = 262_144
    pdu_interval_s: float = 30.0
    switch_interval_s: float = 60.0
    cooling_interval_s: float = 10.0
    focus_interval_s: float = 10.0


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """What of its own the agent looks at.

    Attributes:
        gateways: routers of which one must answer; where there are none, the one of the default route.
        dns_name: the name that nameservers are asked for; None for that of the first pool that has one.
    """

    gateways: tuple[str, ...] = ()
    dns_name: str | None = None


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """What is recorded around incidents, and how much of it is kept.

    Attributes:
        before_s, after_s: how long before an incident's detection, and after its end, readings are kept.
        longest_s: an incident that lasts longer is followed no further.
        flush_s: what was read longer ago is in the file, whatever happens to the agent.
        frame_s: how often the state of everything is noted: deciding again begins with one.
        most_peers, most_others: healthy neighbours, and miners of other incidents, that are followed with an incident.
        most_counted: neighbours where what is decided hangs on counts over all of a pool. More would fill a file within
            the hour.
        most_members: members of one that are followed.
        most_memory_bytes: what the last while of the whole site may take in memory, packed.
        most_exchanges, most_exchanges_at_once: exchanges with devices that are remembered from before an incident, and
            that are taken in between two flushes.
        most_files, most_age_s, most_bytes: recordings that are kept; the oldest goes first.
    """

    before_s: float = 900.0
    after_s: float = 900.0
    longest_s: float = 6 * 3600.0
    flush_s: float = 10.0
    frame_s: float = 300.0
    most_peers: int = 192
    most_counted: int = 512
    most_others: int = 256
    most_members: int = 1024
    most_memory_bytes: int = 128 * 1024 * 1024
    most_exchanges: int = 10_000
    most_exchanges_at_once: int = 1_000
    most_files: int = 1000
    most_age_s: float = 90 * 86_400.0
    most_bytes: int = 2 * 1024 * 1024 * 1024
