"""What tells the causes of lost pools and of refused shares apart: the pool, or the miner alone. Pure."""

from agent.model.incident import Evidence, Reason
from agent.report.signs import Cause, number, share
from agent.report.text import duration

GOOD = "good"
"""What the gateway says of a pool that takes its login."""

FOREIGN = "foreign"
"""How evidence names a pool that is not on the site's list."""

ALARM = 24.0
"""From so much on a statistic is no chance: e^24 shares, or expected shares, between false alarms (section 2)."""

SHARED_SHARE = 0.25
"""Of a pool's miners in warning, from which their rejects are the pool's (section 7, D6)."""

SHARED_BY = 3
"""... and no fewer than that."""

HASHES = 0.9
"""Of its rate: who does so much hashes (section 7, D2)."""


def _gateway_good(seen: Evidence) -> str | None:
    return "the gateway finds the pool good" if seen.get("gateway_finds") == GOOD else None


def _gateway_bad(seen: Evidence) -> str | None:
    found = seen.get("gateway_finds")
    return f"the gateway finds the pool {found}" if found and found != GOOD else None


def _lost_by(seen: Evidence) -> str | None:
    ill, miners = number(seen, "pool_miners_ill"), number(seen, "pool_miners")
    return None if ill is None or miners is None else f"{ill:.0f} of its {miners:.0f} miners have lost it"


def _lost_by_others(seen: Evidence) -> str | None:
    return _lost_by(seen) if (number(seen, "pool_miners_ill") or 0.0) > 1.0 else None


def _likely(seen: Evidence) -> str | None:
    score = number(seen, "score")
    return f"that likely against chance: {score:+.1f}" if score is not None and score > 0.0 else None


def _unlikely(seen: Evidence) -> str | None:
    score = number(seen, "score")
    return f"that likely against chance: {score:+.1f}" if score is not None and score <= 0.0 else None


def _not_alive(seen: Evidence) -> str | None:
    return "the miner says that its pool is not alive" if seen.get("pool_alive") is False else None


def _due(seen: Evidence) -> str | None:
    due = number(seen, "shares_due")
    return (
        None
        if due is None or due < ALARM
        else f"{due:.1f} shares were due and none came: by chance once in e^{due:.0f}"
    )


def _dropped(seen: Evidence) -> str | None:
    lost, miners = number(seen, "miners_dropped"), number(seen, "miners_of_pool")
    if not number(seen, "drops") or lost is None or miners is None:
        return None
    apart = f", {seen['distances_s']} s apart" if seen.get("distances_s") else ""
    return f"{seen['drops']} drops{apart}, the last of {lost:.0f} of {miners:.0f} miners in the same moment"


def _hashes(seen: Evidence) -> str | None:
    rate = number(seen, "rate_share")
    return f"it hashes at {rate:.0%} of its rate" if rate is not None and rate >= HASHES else None


def _at_foreign(seen: Evidence) -> str | None:
    return "it works for a pool that is not the site's" if seen.get("pool") == FOREIGN else None


def _at_home(seen: Evidence) -> str | None:
    is_known = seen.get("pool") not in (None, FOREIGN, "unknown")
    return f"it works for the site's pool {seen['pool']}" if is_known else None


def _in_warning(seen: Evidence, *, many: bool) -> str | None:
    part, ill = number(seen, "pool_miners_in_warning_share"), number(seen, "pool_miners_in_warning")
    if part is None or ill is None or (part >= SHARED_SHARE and ill >= SHARED_BY) is not many:
        return None
    return f"{ill:.0f} of its pool's miners are in warning, {part:.0%}"


def _many_in_warning(seen: Evidence) -> str | None:
    return _in_warning(seen, many=True)


def _few_in_warning(seen: Evidence) -> str | None:
    return _in_warning(seen, many=False)


def _statistic(seen: Evidence) -> str | None:
    level, bad, shares = number(seen, "statistic"), number(seen, "bad_share"), number(seen, "shares")
    if level is None or bad is None or shares is None or level < ALARM:
        return None
    return f"{bad:.1%} of {shares:.0f} shares are bad: statistic {level:.1f}, by chance once in e^{level:.0f}"


def _stale(seen: Evidence) -> str | None:
    return "what is refused came too late" if seen.get("by") == "stale" else None


def _not_stale(seen: Evidence) -> str | None:
    return "what is refused did not come too late" if seen.get("by") == "rejected" else None


def _parts(seen: Evidence, part: str, whole: str) -> str | None:
    up, all_of_them = number(seen, part), number(seen, whole)
    return None if up is None or all_of_them is None else f"{up:.0f} of its {all_of_them:.0f} {whole} answer"


def _chips_lost(seen: Evidence) -> str | None:
    fewer = (share(seen, "chips_up", "chips") or 1.0) < 1.0
    return _parts(seen, "chips_up", "chips") if fewer else None


def _chips_there(seen: Evidence) -> str | None:
    return _parts(seen, "chips_up", "chips") if share(seen, "chips_up", "chips") == 1.0 else None


def _since_share(seen: Evidence) -> str | None:
    since_s, apart_s = number(seen, "since_share_s"), number(seen, "expected_interval_s")
    if since_s is None or apart_s is None:
        return None
    return f"its last share is {duration(since_s)} old, and one is expected every {duration(apart_s)}"


POOL_CAUSES = (
    Cause(
        "the pool, for all who work for it",
        frozenset({Reason.NO_POOL}),
        (_gateway_bad, _lost_by_others, _likely),
        (_gateway_good, _unlikely),
        shared=True,
    ),
    Cause(
        "the miner's own client, or its way to the pool",
        frozenset({Reason.NO_POOL}),
        (_gateway_good, _not_alive, _since_share),
        (_gateway_bad, _lost_by_others),
        shared=False,
    ),
    Cause(
        "the pool, or a proxy before it, that drops its miners and takes them back",
        frozenset({Reason.UNSTEADY_POOL}),
        (_dropped,),
        (_gateway_bad,),
    ),
    Cause("its board hangs", frozenset(), (), (_hashes, _not_alive)),
    Cause("it works for strangers", frozenset({Reason.FOREIGN_POOL}), (_at_foreign,), (_at_home,)),
    Cause("chance: shares are rare", frozenset(), (), (_due, _not_alive, _dropped)),
)
"""In the order in which they are told."""

REJECT_CAUSES = (
    Cause(
        "the pool, or the way there", frozenset({Reason.REJECTS}), (_many_in_warning, _stale), (_few_in_warning,), True
    ),
    Cause(
        "the miner itself: its settings, its firmware or its chips",
        frozenset({Reason.REJECTS}),
        (_few_in_warning, _chips_lost),
        (_many_in_warning,),
        shared=False,
    ),
    Cause("its work comes late", frozenset(), (_stale,), (_not_stale,)),
    Cause("chips that are lost", frozenset(), (_chips_lost,), (_chips_there,)),
    Cause("chance: a few bad shares", frozenset(), (), (_statistic,)),
)
"""In the order in which they are told."""
