"""From the section `expected` to what announces windows: selectors are resolved, and must mean something."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from agent.config.findings import Findings
from agent.config.schema_expected import DAYS, ScheduleSection
from agent.config.signals import MqttSource, Signals, Source, WebhookSource
from agent.config.source import Step
from agent.model.errors import PolicyError
from agent.model.ids import MinerId
from agent.model.scope import miners_in
from agent.model.topology import Site
from agent.model.windows import Purpose
from agent.triage.orders import LONGEST_S
from agent.triage.schedule import Schedule

SECTION = "expected"

_ANY_DAY = date(2026, 1, 5)


def schedules_of(f: Findings, site: Site) -> tuple[Schedule, ...]:
    """Return the schedules; what is wrong with one is noted, and it is left out."""
    found: list[Schedule] = []
    first: dict[str, int] = {}
    for index, section in enumerate(f.config.expected.schedules):
        at = (SECTION, "schedules", index)
        before = first.setdefault(section.name, index)
        if before != index:
            got = f"{section.name!r} again, after {f.place(SECTION, 'schedules', before, 'name')}"
            f.refuse(*at, "name", expected="a name of its own", got=got, remedy="correct one of the two")
        _check_length(f, at, section)
        miners = miners_of(f, (*at, "scope"), site, section.scope)
        found.append(
            Schedule(
                name=section.name,
                purpose=section.purpose,
                scope=section.scope,
                miners=miners,
                share=section.to_percent / 100.0,
                days=frozenset(DAYS.index(day) for day in section.days),
                begins=section.begins,
                ends=section.ends,
                zone=ZoneInfo(section.timezone),
                why=section.why,
            )
        )
    return tuple(found)


def signals_of(f: Findings, site: Site, folder: Path) -> Signals:
    """Return the integrations; `folder` is what paths are relative to."""
    section = f.config.expected
    for kind in ("mqtt", "webhooks"):
        first: dict[str, int] = {}
        for index, source in enumerate(getattr(section, kind)):
            at = (SECTION, kind, index)
            before = first.setdefault(source.name, index)
            if before != index:
                got = f"{source.name!r} again, after {f.place(SECTION, kind, before, 'name')}"
                f.refuse(*at, "name", expected="a name of its own", got=got, remedy="correct one of the two")
            miners_of(f, (*at, "scope"), site, source.scope)
    return Signals(
        mqtt=tuple(
            MqttSource(
                Source(m.name, m.scope, m.hold_s, m.password.credential),
                m.host,
                m.port,
                m.user,
                m.topic,
                m.tls,
                None if m.ca_file is None else str(folder / m.ca_file),
            )
            for m in section.mqtt
        ),
        webhooks=tuple(
            WebhookSource(Source(w.name, w.scope, w.hold_s, w.key.credential), w.port) for w in section.webhooks
        ),
    )


def miners_of(f: Findings, at: tuple[Step, ...], site: Site, scope: tuple[str, ...]) -> tuple[MinerId, ...]:
    """Return the miners that selectors mean; none, and a note, where they mean none."""
    try:
        return miners_in(site, scope)
    except PolicyError as error:
        f.refuse(*at, expected="selectors that mean miners of the inventory", got=str(error), remedy="correct it")
        return ()


def _check_length(f: Findings, at: tuple[Step, ...], section: ScheduleSection) -> None:
    ends_on = _ANY_DAY if section.ends > section.begins else _ANY_DAY + timedelta(days=1)
    lasts = datetime.combine(ends_on, section.ends) - datetime.combine(_ANY_DAY, section.begins)
    longest_s = LONGEST_S[section.purpose]
    if section.purpose is Purpose.MAINTENANCE and lasts.total_seconds() > longest_s:
        want = f"a maintenance of at most {longest_s / 3600.0:.0f} h"
        remedy = "write an earlier end, or two schedules"
        f.refuse(*at, "ends", expected=want, got=f"{lasts.total_seconds() / 3600.0:.1f} h", remedy=remedy)
