"""How much of a model is computed elsewhere: on graphics cards of this machine, and on RPC workers."""

from collections.abc import Sequence

from home_llm.llama import Device, DeviceError, DeviceKind, connect_rpc, devices
from home_llm.models import ModelError
from home_llm.settings import Settings

# What a device keeps free for its own buffers.
_SHARE = 0.9


def helpers(settings: Settings) -> list[Device]:
    """Return the devices that layers can be moved to; none where the settings want none.

    Raises:
        ModelError: an RPC worker does not answer; it may do so later.
    """
    if settings.gpu_layers == 0:
        return []
    try:
        connect_rpc(settings.rpc_server_list)
        return [device for device in devices() if device.takes_layers]
    except DeviceError as error:
        raise ModelError(str(error), retryable=True) from error


def borrowed_memory(found: Sequence[Device]) -> int:
    """Return the bytes that devices have free beside this machine's memory, which an integrated one only shares."""
    return int(sum(device.free for device in found if device.kind is not DeviceKind.INTEGRATED_GPU) * _SHARE)


def planned_layers(wanted: int, blocks: int, needed: int, found: Sequence[Device]) -> int:
    """Return how many layers to move to devices.

    Args:
        wanted: what the settings say; -1 is as many as fit.
        blocks: layers that the model has; its output counts as one more.
        needed: bytes that all of it takes, with its context.
        found: the devices.
    """
    if not found or wanted == 0:
        return 0
    if wanted > 0:
        return min(wanted, blocks + 1)
    room = sum(device.free for device in found) * _SHARE
    return blocks + 1 if room >= needed else int(blocks * room / needed)
