"""How far the agent may go, and the three things a gate can say."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How far the agent may go by itself."""

    OBSERVE = "observe"
    """Decide and record; touch nothing."""
    APPROVE = "approve"
    """Have a person confirm each action, then act within the guards."""
    AUTO = "auto"
    """Act within the guards."""


class GuardReason(StrEnum):
    """Why an action was deferred or refused."""

    OBSERVE_MODE = "observe_mode"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVAL_DENIED = "approval_denied"
    APPROVAL_EXPIRED = "approval_expired"
    HELD = "held"
    OWN_TROUBLE = "own_trouble"
    STORM = "storm"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    RATE_BUDGET = "rate_budget"
    SHARED_CAUSE = "shared_cause"
    CURTAILED = "curtailed"
    MAINTENANCE = "maintenance"
    IN_FLIGHT = "in_flight"
    COOLDOWN = "cooldown"
    DAILY_LIMIT = "daily_limit"
    INRUSH = "inrush"
    BANK_BUSY = "bank_busy"
    BANK_LOAD = "bank_load"
    PROTECTED = "protected"
    SHARED_OUTLET = "shared_outlet"
    OUTLET_MAP_DOUBTED = "outlet_map_doubted"
    OUTLET_UNPROVEN = "outlet_unproven"
    OUTLET_WITHOUT_DRAW = "outlet_without_draw"
    HOT = "hot"
    STALE = "stale"
    NO_TARGET = "no_target"
    DUTY = "duty"
    FLASHING = "flashing"
    STARTING = "starting"
    FLASHES_AT_ONCE = "flashes_at_once"
    CANARY = "canary"
    IMAGE_FROZEN = "image_frozen"
    IMAGE_NOT_ALLOWED = "image_not_allowed"
    FLASHED_BEFORE = "flashed_before"
    SETPOINT_BOUNDS = "setpoint_bounds"
    HUMIDITY_UNKNOWN = "humidity_unknown"
    SETPOINT_STEP = "setpoint_step"
    SETTLING = "settling"
    LEAK = "leak"
    UNIT_ALARM = "unit_alarm"
    LOCAL_MODE = "local_mode"
    UNIT_UNREAD = "unit_unread"
    UNIT_DOUBTED = "unit_doubted"
    SETPOINT_MOVED = "setpoint_moved"
    ANOTHERS_SETPOINT = "anothers_setpoint"


@dataclass(frozen=True, slots=True)
class Allow:
    """Go."""


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now: ask again at `until` (UTC s)."""

    until: float
    reason: GuardReason


@dataclass(frozen=True, slots=True)
class Refuse:
    """No, and waiting does not help."""

    reason: GuardReason


Verdict = Allow | Defer | Refuse
