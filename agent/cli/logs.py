"""Sets up the log: readable lines on a terminal, one JSON object a line everywhere else, never a secret.

Every line has a UTC time, a level, a constant event name and key-values. What libraries say through `logging` or
`warnings` comes through the same pipeline from WARNING up. Which values are secret is `agent.cli.redact`'s business.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from agent.cli.redact import scrub, scrub_item

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

_SYSLOG_LEVEL = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def configure(
    *,
    stream: TextIO | None = None,
    debug: bool = False,
    as_json: bool = False,
    now: Callable[[], float] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Send every log line of the process to `stream` (stderr if None); calling it again replaces the set-up.

    `now` gives the time of a line in UTC s, so that a simulated site's log and ledger agree; the wall clock if None.
    Lines are human where the stream is a terminal, JSON otherwise or where `as_json` asks for it; the journal also gets
    each line's priority.
    """
    out = sys.stderr if stream is None else stream
    structlog.configure(
        processors=_processors(out, now, environ, human=out.isatty() and not as_json),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _route_libraries()


def _processors(
    out: TextIO, now: Callable[[], float] | None, environ: Mapping[str, str], *, human: bool
) -> "list[Processor]":
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True) if now is None else _Timestamp(now),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    if human:
        plain = structlog.dev.plain_traceback
        return [*chain, structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in environ, exception_formatter=plain)]
    chain.append(structlog.processors.JSONRenderer(sort_keys=False))
    return [*chain, _prefix_priority] if _is_journal(out, environ) else chain


class _Timestamp:
    """Stamps a line with the given clock's UTC time, to the millisecond."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def __call__(self, logger: "WrappedLogger", name: str, event: "EventDict") -> "EventDict":
        moment = datetime.fromtimestamp(self._now(), UTC)
        event["timestamp"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return event


def redact_event(logger: "WrappedLogger", name: str, event: "EventDict") -> MutableMapping[str, Any]:
    """Return the event free of secrets: values, nested values, exception text, and keys that tell of one."""
    return {scrub(key): scrub_item(key, value) for key, value in event.items()}


def _is_journal(out: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream itself, not just some ancestor's, is connected to the systemd journal."""
    try:
        stat = os.fstat(out.fileno())
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


def _prefix_priority(logger: "WrappedLogger", name: str, line: Any) -> str:
    """Put the syslog level before the line; the journal strips it and files the line under it."""
    return f"<{_SYSLOG_LEVEL.get(name, 6)}>{line}"


class _ToStructlog(logging.Handler):
    """Hands a library's log record to the one pipeline."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(
                record.levelno,
                "library_message",
                logger=record.name,
                message=record.getMessage(),
                exc_info=record.exc_info or None,
            )
        except Exception:  # the contract of logging.Handler: a bad record must not stop its author
            self.handleError(record)


def _route_libraries() -> None:
    root = logging.getLogger()
    root.handlers = [_ToStructlog(logging.WARNING)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
