"""What a person is told about a flash and its image when he is asked because of one. Bounded and printable."""

from agent.model.action import Action
from agent.model.incident import Evidence, Incident
from agent.model.memory import Memory
from agent.model.topology import Site

SHOWN_DIGITS = 12
DAY_S = 86_400.0


def flash_note(
    site: Site,
    memory: Memory,
    incident: Incident,
    now: float,
    refused: Action | None = None,
    *,
    excuse: Incident | None = None,
) -> Evidence:
    """Return which image it is about, how it stands with that, and what to do; nothing where no flash is behind it.

    Args:
        site: with the images of the configuration.
        memory: as it is before the person is asked.
        incident: what he is asked about.
        now: UTC s.
        refused: the action that the guards refused, where that is why he is asked.
        excuse: the loss of power that cut its flash short, if one did.
    """
    miner = incident.members[0]
    own = memory.flashes.get(miner)
    of_this = own is not None and own.incident == incident.id
    image = refused.image if refused is not None and refused.image else own.image if of_this and own else None
    if image is None:
        return {}
    digits = image[:SHOWN_DIGITS]
    release = f"terrahash images release {digits}"
    known = site.image.get(image)
    told: Evidence = {"image": digits, "image_version": None if known is None else known.version}
    frozen = memory.frozen.get(image)
    if of_this and excuse is not None:
        return told | {
            "excused_by": f"{excuse.id}: {excuse.cause} at {excuse.domain}",
            "to_do": f"look at the board: its power was lost while it was flashed. Others get this image all the same; "
            f"to have this one restarted and switched again: {release}",
        }
    if of_this:
        return told | {
            "to_do": f"leave its power on and look at the board; no other miner gets this image until: {release}"
        }
    if frozen is not None:
        return told | {
            "frozen_by": f"{frozen.miner} in {frozen.incident}",
            "to_do": f"look at {frozen.miner}; where that board is to blame and not the image: {release}; "
            "this miner is then flashed without more ado",
        }
    proven_at = memory.proven.get(image, {}).get(miner)
    if proven_at is not None:
        return told | {
            "flashed_days_ago": round((now - proven_at) / DAY_S, 1),
            "to_do": "the same image mended it so lately, so what it is written to may be worn: test or replace the "
            "control board, or flash it by hand",
        }
    return told
