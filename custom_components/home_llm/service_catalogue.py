"""The services a model may call in the compact home format.

Free of Home Assistant. What is not listed here cannot be called, whatever the model writes.
"""

from __future__ import annotations

from collections.abc import Iterable

from .service_arguments import (
    BRIGHTNESS,
    BRIGHTNESS_STEP,
    COLOR,
    COLOR_TEMP,
    DIRECTION,
    DURATION,
    FAN_SPEED,
    HUMIDITY,
    ITEM,
    MUTED,
    OSCILLATING,
    POSITION,
    TEMPERATURE,
    TILT,
    VALUE,
    VOLUME,
    choice,
)
from .service_types import (
    ALL,
    ArgumentError,
    Device,
    Group,
    Parameter,
    Service,
    plain_number,
)
from .trust import guarded

__all__ = [
    "CATALOGUE",
    "ArgumentError",
    "Device",
    "Group",
    "Parameter",
    "Service",
    "group_members",
    "offered_exceptions",
    "offered_services",
    "offered_targets",
    "plain_number",
]

# The numbers are the supported_features bits of Home Assistant's entity components.
_OF_A_DOMAIN: tuple[Service, ...] = (
    Service(
        "light",
        "turn_on",
        "Turn on a light, dim it, or change its colour",
        (BRIGHTNESS, BRIGHTNESS_STEP, COLOR, COLOR_TEMP),
        groups=True,
    ),
    Service("light", "turn_off", "Turn off a light", groups=True),
    Service("switch", "turn_on", "Turn on a switch", groups=True),
    Service("switch", "turn_off", "Turn off a switch", groups=True),
    Service("input_boolean", "turn_on", "Turn on a switch"),
    Service("input_boolean", "turn_off", "Turn off a switch"),
    Service("fan", "turn_on", "Turn on a fan", features=32, groups=True),
    Service("fan", "turn_off", "Turn off a fan", features=16, groups=True),
    Service("fan", "set_percentage", "Set the speed of a fan", (FAN_SPEED,), features=1, groups=True),
    Service("fan", "increase_speed", "Make a fan faster", features=1, groups=True),
    Service("fan", "decrease_speed", "Make a fan slower", features=1, groups=True),
    Service("fan", "oscillate", "Let a fan swing, or not", (OSCILLATING,), features=2),
    Service("fan", "set_direction", "Set the direction of a fan", (DIRECTION,), features=4),
    Service(
        "fan",
        "set_preset_mode",
        "Set the preset of a fan",
        (choice("preset_mode", "Preset", "preset_modes"),),
        features=8,
    ),
    Service("cover", "open_cover", "Open a cover", features=1, groups=True),
    Service("cover", "close_cover", "Close a cover", features=2, groups=True),
    Service("cover", "stop_cover", "Stop a cover", features=8, groups=True),
    Service("cover", "set_cover_position", "Move a cover to a position", (POSITION,), features=4, groups=True),
    Service("cover", "open_cover_tilt", "Open the slats of a cover", features=16, groups=True),
    Service("cover", "close_cover_tilt", "Close the slats of a cover", features=32, groups=True),
    Service("cover", "set_cover_tilt_position", "Tilt the slats of a cover", (TILT,), features=128, groups=True),
    Service("valve", "open_valve", "Open a valve", features=1),
    Service("valve", "close_valve", "Close a valve", features=2),
    Service("valve", "set_valve_position", "Move a valve to a position", (POSITION,), features=4),
    Service("lock", "lock", "Lock a lock", groups=True),
    Service("lock", "unlock", "Unlock a lock"),
    Service("lock", "open", "Open the latch of a lock", features=1),
    Service("alarm_control_panel", "alarm_arm_home", "Arm the alarm for staying at home", features=1),
    Service("alarm_control_panel", "alarm_arm_away", "Arm the alarm for leaving", features=2),
    Service("alarm_control_panel", "alarm_arm_night", "Arm the alarm for the night", features=4),
    Service("alarm_control_panel", "alarm_disarm", "Disarm the alarm"),
    Service("siren", "turn_on", "Turn on a siren", features=1),
    Service("siren", "turn_off", "Turn off a siren", features=2, groups=True),
    Service("climate", "set_temperature", "Set the target temperature", (TEMPERATURE,), features=1, groups=True),
    Service(
        "climate",
        "set_hvac_mode",
        "Set the mode of heating or cooling",
        (choice("hvac_mode", "Mode", "hvac_modes"),),
        groups=True,
    ),
    Service(
        "climate",
        "set_preset_mode",
        "Set the preset of heating or cooling",
        (choice("preset_mode", "Preset", "preset_modes"),),
        features=16,
        groups=True,
    ),
    Service(
        "climate",
        "set_fan_mode",
        "Set the fan of heating or cooling",
        (choice("fan_mode", "Fan", "fan_modes"),),
        features=8,
    ),
    Service("water_heater", "turn_on", "Turn on a water heater", features=8),
    Service("water_heater", "turn_off", "Turn off a water heater", features=8),
    Service("water_heater", "set_temperature", "Set the water temperature", (TEMPERATURE,), features=1),
    Service(
        "water_heater",
        "set_operation_mode",
        "Set the mode of a water heater",
        (choice("operation_mode", "Mode", "operation_list"),),
        features=2,
    ),
    Service("humidifier", "turn_on", "Turn on a humidifier", groups=True),
    Service("humidifier", "turn_off", "Turn off a humidifier", groups=True),
    Service("humidifier", "set_humidity", "Set the target humidity", (HUMIDITY,), groups=True),
    Service(
        "humidifier",
        "set_mode",
        "Set the mode of a humidifier",
        (choice("mode", "Mode", "available_modes"),),
        features=1,
    ),
    Service("media_player", "turn_on", "Turn on a media player", features=128, groups=True),
    Service("media_player", "turn_off", "Turn off a media player", features=256, groups=True),
    Service("media_player", "media_play", "Play or resume", features=16384, groups=True),
    Service("media_player", "media_pause", "Pause", features=1, groups=True),
    Service("media_player", "media_stop", "Stop", features=4096, groups=True),
    Service("media_player", "media_next_track", "Go to the next track", features=32),
    Service("media_player", "media_previous_track", "Go to the previous track", features=16),
    Service("media_player", "volume_set", "Set the volume", (VOLUME,), features=4, groups=True),
    Service("media_player", "volume_up", "Make it louder", features=1024, or_features=4, groups=True),
    Service("media_player", "volume_down", "Make it quieter", features=1024, or_features=4, groups=True),
    Service("media_player", "volume_mute", "Mute, or unmute", (MUTED,), features=8, groups=True),
    Service(
        "media_player",
        "select_source",
        "Select a source",
        (choice("source", "Source", "source_list"),),
        features=2048,
    ),
    Service("vacuum", "start", "Start a vacuum cleaner", features=8192),
    Service("vacuum", "pause", "Pause a vacuum cleaner", features=4),
    Service("vacuum", "return_to_base", "Send a vacuum cleaner home", features=16),
    Service("lawn_mower", "start_mowing", "Start a lawn mower", features=1),
    Service("lawn_mower", "pause", "Pause a lawn mower", features=2),
    Service("lawn_mower", "dock", "Send a lawn mower home", features=4),
    Service("scene", "turn_on", "Activate a scene"),
    Service("script", "turn_on", "Run a script"),
    Service("button", "press", "Press a button"),
    Service("input_button", "press", "Press a button"),
    Service("number", "set_value", "Set a number", (VALUE,)),
    Service("input_number", "set_value", "Set a number", (VALUE,)),
    Service("select", "select_option", "Select an option", (choice("option", "Option", "options"),)),
    Service("input_select", "select_option", "Select an option", (choice("option", "Option", "options"),)),
    Service("todo", "add_item", "Put something on a list", (ITEM,), features=1),
    Service(
        "todo",
        "complete_item",
        "Tick something off a list",
        (ITEM,),
        features=4,
        calls="update_item",
        fixed=(("status", "completed"),),
    ),
    Service("todo", "remove_item", "Take something off a list", (ITEM,), features=2),
    Service("timer", "start", "Start a timer", (DURATION,)),
    Service("timer", "pause", "Pause a timer"),
    Service("timer", "cancel", "Cancel a timer"),
)

# What "everything" means when it is switched off: nothing that heats, locks, opens or guards the house.
_SWITCHED_OFF = ("light", "switch", "input_boolean", "fan", "media_player", "humidifier")

CATALOGUE: tuple[Service, ...] = (
    *_OF_A_DOMAIN,
    Service(
        "homeassistant",
        "turn_off",
        "Turn everything off",
        groups=True,
        covers=tuple(
            service for service in _OF_A_DOMAIN if service.service == "turn_off" and service.domain in _SWITCHED_OFF
        ),
    ),
)


def offered_services(devices: Iterable[Device]) -> dict[Service, list[Device]]:
    """Return the services that at least one device can do, each with the devices that can.

    What stands for several domains is offered where there are several.
    """
    devices = sorted(devices, key=lambda device: device.entity_id)
    offered = {service: [device for device in devices if service.supported(device)] for service in CATALOGUE}
    return {
        service: able
        for service, able in offered.items()
        if len({device.domain for device in able}) > (1 if service.covers else 0)
    }


def group_members(service: Service, target: str, devices: Iterable[Device]) -> list[Device]:
    """Return the devices of an area or a floor, or of the whole house, that a service on it is for.

    What may have to be confirmed is not among them: doors are opened one by one.
    """
    if not service.groups:
        return []
    return [
        device
        for device in devices
        if (target == ALL or any(group.target == target for group in device.groups))
        and service.supported(device)
        and guarded(service.name, device) is None
    ]


def offered_targets(service: Service, devices: Iterable[Device]) -> list[str]:
    """Return what a service can be called on: devices that can, then areas and floors with such devices, then all."""
    devices = [device for device in devices if service.supported(device)]
    groups = sorted({group.target for device in devices for group in device.groups})
    return [
        *sorted(device.entity_id for device in devices if not service.covers),
        *(target for target in (*groups, ALL) if group_members(service, target, devices)),
    ]


def offered_exceptions(service: Service, devices: Iterable[Device]) -> list[str]:
    """Return what can be left out of a call on a group; nothing where there would be nothing left."""
    devices = list(devices)
    members = group_members(service, ALL, devices)
    if len(members) < 2:
        return []
    groups = sorted({group.target for device in members for group in device.groups})
    return [*sorted(device.entity_id for device in members), *groups]
