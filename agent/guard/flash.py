"""Flashes: nothing disturbs one that may be under way, and no image is put where it is not known to do well.

What counts as under way is told by the ledger alone: a flash that has an intent and was neither seen not to have begun
nor verified. That survives a restart of the agent; only a proof or a person ends it.
"""

from agent.guard.request import Request
from agent.model.action import Risk, Verb
from agent.model.guard import Allow, Defer, GuardReason, Refuse, Verdict
from agent.model.ids import ImageId, MinerId
from agent.model.telemetry import Reach
from agent.model.topology import FAMILY_TRAITS, model_keys

RECHECK_S = 10.0

AGAIN_S = 7 * 86_400.0
"""What was mended with an image and is broken again within a week is not mended by the same image."""


def flash(request: Request) -> Verdict:
    """Refuse what could cut a flash short; hold a flash to its image's allow-list, canary, freeze and turn."""
    action = request.action
    if action.verb is Verb.FLASH:
        return _may_flash(request)
    if action.traits.risk is Risk.OBSERVE or action.verb is Verb.POWER_ON:
        return Allow()
    touched = {*action.targets, *(m for outlet in action.outlets for m in request.view.site.fed_by.get(outlet, ()))}
    beginning = {other.miner for other in request.wanted if other.verb is Verb.FLASH}
    if any(request.memory.may_be_flashing(miner) or miner in beginning for miner in touched):
        return Refuse(GuardReason.FLASHING)
    return Allow()


def _may_flash(request: Request) -> Verdict:
    memory, site, miner = request.memory, request.view.site, request.action.miner
    image = None if request.action.image is None else site.image.get(request.action.image)
    if image is None or not image.may_be_for(site.miner(miner)):
        return Refuse(GuardReason.IMAGE_NOT_ALLOWED)
    if image.sha256 in memory.frozen:
        return Refuse(GuardReason.IMAGE_FROZEN)
    done_at = memory.proven.get(image.sha256, {}).get(miner)
    if miner in memory.flashes or (done_at is not None and request.now - done_at < AGAIN_S):
        return Refuse(GuardReason.FLASHED_BEFORE)
    reason = _waits_for(request, image.sha256)
    return Allow() if reason is None else Defer(request.now + RECHECK_S, reason)


def _waits_for(request: Request, image: ImageId) -> GuardReason | None:
    """Return what a flash that may be has to wait for; None for nothing."""
    memory, miner = request.memory, request.action.miner
    begun = [f for f in memory.flashes.values() if memory.is_awaited(f)]
    beginning = [other.image for other in request.wanted if other.verb is Verb.FLASH]
    # Of one image never two at a time: should it be bad, it shall cost one miner.
    unseen = {*beginning, *(f.image for f in begun if not f.verified)}
    unproven = {f.image for f in begun} if not _is_proven(request, image, miner) else set()
    if image in unseen | unproven:
        return GuardReason.CANARY
    if len(beginning) + sum(not f.verified for f in begun) >= request.limits.flashes_at_once:
        return GuardReason.FLASHES_AT_ONCE
    return GuardReason.STARTING if _is_starting(request) else None


def _is_starting(request: Request) -> bool:
    """Whether the miner may just be booting: who boots again and again answers some of the time.

    It waited for its turn, so what its playbook saw may be long ago. A flash that finds nobody is a person's business.
    """
    view, miner = request.view, request.view.site.miner(request.action.miner)
    row = view.site.rows[miner.id]
    is_away = view.reach[row] in (Reach.SILENT, Reach.REFUSED)
    return bool(is_away and request.now - view.missing_since[row] < FAMILY_TRAITS[miner.family].boot_grace_s)


def _is_proven(request: Request, image: ImageId, miner: MinerId) -> bool:
    """Whether the image ended well on a miner of the same model before."""
    site = request.view.site
    keys = model_keys(site.miner(miner).model)
    done = request.memory.proven.get(image, {})
    return any(other in site.rows and model_keys(site.miner(other).model) == keys for other in done)
