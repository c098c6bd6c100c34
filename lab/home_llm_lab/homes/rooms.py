"""What stands where: kinds of rooms, and the kinds of things in them with how common they are there."""

from __future__ import annotations

# The order is that in which a house gets its rooms, as (kind, how likely it is, how many at most).
ROOMS: tuple[tuple[str, float, int], ...] = (
    ("living_room", 0.97, 1),
    ("kitchen", 0.97, 1),
    ("bedroom", 0.95, 3),
    ("bathroom", 0.9, 2),
    ("hallway", 0.7, 2),
    ("office", 0.55, 2),
    ("kids_room", 0.4, 3),
    ("garden", 0.4, 1),
    ("garage", 0.4, 1),
    ("terrace", 0.3, 1),
    ("dining_room", 0.35, 1),
    ("laundry", 0.25, 1),
    ("toilet", 0.25, 1),
    ("balcony", 0.2, 1),
    ("basement", 0.2, 1),
    ("attic", 0.15, 1),
    ("stairs", 0.15, 1),
    ("pantry", 0.12, 1),
    ("driveway", 0.15, 1),
    ("shed", 0.1, 1),
    ("workshop", 0.1, 1),
    ("gym", 0.08, 1),
    ("cinema", 0.08, 1),
    ("pool", 0.06, 1),
    ("conservatory", 0.05, 1),
)

# On which kind of floor a room usually is; rooms that are not here are on any of those indoors.
FLOOR_OF_ROOM: dict[str, tuple[str, ...]] = {
    "living_room": ("ground", "ground", "upper"),
    "kitchen": ("ground",),
    "dining_room": ("ground",),
    "hallway": ("ground", "upper"),
    "toilet": ("ground",),
    "garage": ("ground", "basement"),
    "laundry": ("basement", "ground"),
    "pantry": ("ground", "basement"),
    "workshop": ("basement", "ground"),
    "basement": ("basement",),
    "cinema": ("basement", "upper"),
    "gym": ("basement", "upper"),
    "attic": ("attic", "upper"),
    "bedroom": ("upper", "upper", "attic", "ground"),
    "kids_room": ("upper", "upper", "attic"),
    "bathroom": ("upper", "ground"),
    "office": ("upper", "ground", "attic"),
    "stairs": ("ground", "upper"),
    "conservatory": ("ground",),
    "garden": ("outside", "ground"),
    "terrace": ("outside", "ground"),
    "balcony": ("upper",),
    "pool": ("outside", "ground"),
    "shed": ("outside",),
    "driveway": ("outside", "ground"),
}

_WINDOWS = {"blind": 3, "curtain": 2, "shutter": 2, "shade": 1, "window_sensor": 3}
_AIR = {"thermostat": 2, "radiator": 3, "temperature_sensor": 3, "humidity_sensor": 2, "air_conditioner": 1}
_EVERYWHERE = {"ceiling_light": 8, "lamp": 3, "plug": 2, "motion_sensor": 2, "led_strip": 1, "spotlights": 1}
_INDOORS = {**_EVERYWHERE, **_WINDOWS, **_AIR, "illuminance_sensor": 0.5, "battery_sensor": 0.7, "wall_light": 0.7}

# Weights of the kinds of things by kind of room.
THINGS: dict[str, dict[str, float]] = {
    "living_room": {
        **_INDOORS, "floor_lamp": 5, "table_lamp": 3, "reading_light": 2, "chandelier": 1, "tv": 5, "speaker": 3,
        "receiver": 2, "projector": 1.5, "fan": 2, "ceiling_fan": 2, "air_purifier": 1, "humidifier": 1,
        "fairy_lights": 1.5, "vacuum": 2, "co2_sensor": 1, "aquarium": 1, "heater_switch": 1, "occupancy_sensor": 1,
        "pm25_sensor": 0.5, "power_sensor": 1, "noise_sensor": 0.3, "select": 1, "number": 1,
    },
    "kitchen": {
        **_INDOORS, "counter_light": 5, "chandelier": 1, "coffee_maker": 4, "kettle": 3, "toaster": 1.5,
        "dishwasher": 2, "extractor_fan": 2.5, "radio": 2.5, "speaker": 2, "leak_sensor": 1.5, "smoke_sensor": 1.5,
        "tv": 0.7, "timer": 2, "door_sensor": 1, "power_sensor": 1.5, "gas_sensor": 1, "washer_state": 0.7,
        "select": 0.7, "vacuum": 1, "energy_sensor": 0.7, "bin_sensor": 0.4,
    },
    "dining_room": {
        **_INDOORS, "chandelier": 4, "table_lamp": 1, "speaker": 1.5, "fairy_lights": 0.7, "door_sensor": 0.5,
    },
    "bedroom": {
        **_INDOORS, "bedside_lamp": 7, "floor_lamp": 1, "reading_light": 1.5, "fan": 2, "ceiling_fan": 2.5, "tv": 1.5,
        "speaker": 1.5, "humidifier": 2, "air_purifier": 1, "electric_blanket": 1, "occupancy_sensor": 1, "radio": 1,
        "co2_sensor": 0.7, "mirror_light": 0.5, "select": 0.4, "number": 0.4,
    },
    "kids_room": {
        **_INDOORS, "bedside_lamp": 4, "desk_lamp": 1, "fairy_lights": 2, "speaker": 1.5, "humidifier": 1, "fan": 1,
        "noise_sensor": 0.5, "aquarium": 0.5, "tv": 0.5,
    },
    "bathroom": {
        **_INDOORS, "mirror_light": 5, "extractor_fan": 3, "heater_switch": 3, "leak_sensor": 2, "humidity_sensor": 3,
        "dehumidifier": 1, "radio": 1, "speaker": 1, "washing_machine": 1, "water_heater": 1.5, "valve": 0.4,
    },
    "toilet": {
        "ceiling_light": 6, "mirror_light": 2, "extractor_fan": 2, "motion_sensor": 2, "leak_sensor": 1,
        "radiator": 1, "spotlights": 1,
    },
    "office": {
        **_INDOORS, "desk_lamp": 6, "printer": 4, "speaker": 1.5, "fan": 1.5, "floor_lamp": 1, "co2_sensor": 1.5,
        "power_sensor": 1, "occupancy_sensor": 1, "heater_switch": 0.7, "button": 1, "select": 0.4, "number": 0.5,
    },
    "hallway": {
        **_EVERYWHERE, "door_lock": 3, "wall_light": 2, "door_sensor": 3, "doorbell_sensor": 1.5, "thermostat": 2,
        "smoke_sensor": 2, "siren": 1, "vacuum": 2, "mirror_light": 0.7, "radiator": 1.5, "button": 0.7,
        "temperature_sensor": 1, "battery_low_sensor": 0.7, "table_lamp": 0.7,
    },
    "stairs": {
        "ceiling_light": 5, "wall_light": 3, "led_strip": 3, "motion_sensor": 3, "spotlights": 1, "smoke_sensor": 1,
    },
    "laundry": {
        "ceiling_light": 6, "washing_machine": 5, "plug": 2, "leak_sensor": 3, "dehumidifier": 1.5, "power_sensor": 2,
        "washer_state": 3, "water_heater": 1.5, "valve": 1.5, "motion_sensor": 1, "vibration_sensor": 1,
        "energy_sensor": 1, "window_sensor": 1, "extractor_fan": 1,
    },
    "pantry": {
        "ceiling_light": 5, "motion_sensor": 2, "door_sensor": 2, "temperature_sensor": 3, "humidity_sensor": 2,
        "plug": 1, "led_strip": 1,
    },
    "garage": {
        "ceiling_light": 6, "garage_door": 6, "charger": 3, "plug": 2, "garage_sensor": 1.5, "motion_sensor": 2,
        "door_lock": 1.5, "heater_switch": 0.7, "temperature_sensor": 1, "power_sensor": 1, "spotlights": 1,
        "energy_sensor": 1, "car_tracker": 0.5, "button": 0.4,
    },
    "workshop": {
        **_EVERYWHERE, "desk_lamp": 3, "heater_switch": 2, "radio": 2, "extractor_fan": 2, "printer": 1,
        "smoke_sensor": 1,
    },
    "basement": {
        "ceiling_light": 6, "dehumidifier": 3, "leak_sensor": 3, "water_heater": 3, "pump": 2, "valve": 3,
        "temperature_sensor": 2, "humidity_sensor": 2, "motion_sensor": 1, "door_sensor": 1, "gas_sensor": 1,
        "water_sensor": 1.5, "energy_sensor": 1.5, "printer": 0.7, "smoke_sensor": 1, "plug": 1,
    },
    "attic": {
        "ceiling_light": 6, "skylight": 3, "temperature_sensor": 2, "humidity_sensor": 1, "plug": 1, "ceiling_fan": 1,
        "lamp": 2, "window_sensor": 1, "smoke_sensor": 1,
    },
    "gym": {**_EVERYWHERE, "fan": 4, "tv": 3, "speaker": 4, "air_conditioner": 2, "temperature_sensor": 1},
    "cinema": {
        **_EVERYWHERE, "projector": 6, "receiver": 5, "wall_light": 3, "led_strip": 4, "curtain": 2, "tv": 2,
        "select": 1,
    },
    "garden": {
        "outdoor_light": 8, "fairy_lights": 2, "sprinkler_switch": 4, "mower": 5, "valve": 4, "pump": 3, "plug": 2,
        "soil_sensor": 4, "temperature_sensor": 2, "rain_sensor": 2, "wind_sensor": 1.5, "motion_sensor": 2,
        "illuminance_sensor": 1, "gate": 2, "pressure_sensor": 0.7, "speaker": 0.5, "siren": 0.5,
    },
    "terrace": {
        "outdoor_light": 6, "fairy_lights": 3, "awning": 5, "heater_switch": 3, "speaker": 2, "plug": 2,
        "temperature_sensor": 2, "wind_sensor": 1, "door_lock": 1.5, "door_sensor": 2, "motion_sensor": 1,
    },
    "balcony": {
        "outdoor_light": 6, "fairy_lights": 3, "awning": 3, "plug": 2, "temperature_sensor": 2, "soil_sensor": 2,
        "door_sensor": 3, "heater_switch": 1,
    },
    "pool": {
        "outdoor_light": 5, "pump": 5, "led_strip": 2, "temperature_sensor": 4, "water_heater": 2, "shade": 1,
        "heater_switch": 1, "valve": 1,
    },
    "shed": {
        "ceiling_light": 5, "plug": 3, "door_lock": 3, "door_sensor": 2, "charger": 1, "temperature_sensor": 2,
        "soil_sensor": 1, "heater_switch": 1,
    },
    "driveway": {
        "outdoor_light": 6, "gate": 5, "door_lock": 3, "motion_sensor": 3, "doorbell_sensor": 2, "charger": 2,
        "vibration_sensor": 1.5, "door_sensor": 2,
    },
    "conservatory": {
        **_EVERYWHERE, **_WINDOWS, "awning": 2, "heater_switch": 2, "soil_sensor": 3, "skylight": 2, "fan": 1,
        "temperature_sensor": 3,
    },
}  # fmt: skip

# What belongs to the whole house: (kind, how likely, how many at most).
HOUSE_THINGS: tuple[tuple[str, float, int], ...] = (
    ("sun", 0.5, 1),
    ("weather", 0.6, 1),
    ("person", 0.75, 4),
    ("phone_tracker", 0.25, 2),
    ("car_tracker", 0.12, 1),
    ("alarm", 0.45, 1),
    ("scene", 0.55, 6),
    ("script", 0.4, 4),
    ("todo", 0.6, 3),
    ("timer", 0.35, 2),
    ("input_boolean", 0.45, 3),
    ("input_number", 0.25, 2),
    ("input_select", 0.25, 1),
    ("input_button", 0.15, 1),
    ("vacuum", 0.3, 1),
    ("mower", 0.14, 1),
    ("thermostat", 0.15, 1),
    ("water_heater", 0.2, 1),
    ("energy_sensor", 0.2, 2),
    ("power_sensor", 0.2, 1),
    ("bin_sensor", 0.1, 1),
    ("robot_sensor", 0.1, 1),
    ("siren", 0.12, 1),
    ("doorbell_sensor", 0.1, 1),
    ("button", 0.15, 2),
    ("temperature_sensor", 0.15, 1),
)

# Of what a room has one at most; of lamps and sockets there are several.
SEVERAL = {
    "ceiling_light": 2, "lamp": 4, "floor_lamp": 2, "table_lamp": 2, "bedside_lamp": 2, "spotlights": 2,
    "led_strip": 2, "wall_light": 3, "counter_light": 2, "outdoor_light": 4, "fairy_lights": 2, "plug": 4,
    "blind": 3, "curtain": 2, "shutter": 3, "shade": 2, "window_sensor": 3, "door_sensor": 2, "door_lock": 2,
    "garage_door": 2, "speaker": 2, "radiator": 2, "soil_sensor": 3, "valve": 2, "motion_sensor": 2,
    "temperature_sensor": 2, "battery_sensor": 2, "printer": 2, "scene": 6, "script": 4, "desk_lamp": 2,
}  # fmt: skip
