"""A real Home Assistant with every domain that houses need, into which one house after another moves."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.intent import async_register_timer_handler
from homeassistant.components.intent.const import TIMER_DATA
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import restore_state
from homeassistant.helpers.entity_component import DATA_INSTANCES, EntityComponent
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from homeassistant.setup import async_setup_component
from homeassistant.util.unit_system import METRIC_SYSTEM, US_CUSTOMARY_SYSTEM
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]
    MockConfigEntry,
    async_test_home_assistant,
)

import custom_components
from home_llm_lab.house import Area, House, Thing

from .helpers import Button, Choice, InputNumber, Number, Picture, Script, Timer, Todo, Toggle
from .lamps import Fan, Humidifier, Lamp, Plug, Siren
from .machines import Climate, Mower, Player, Vacuum, WaterHeater
from .openings import Alarm, Cover, DoorLock, Valve
from .remembering import Remembering, Teller

ASSISTANT = "conversation"
_LOGGER = logging.getLogger(__name__)

ENTITIES: Mapping[str, type[Remembering]] = {
    "light": Lamp,
    "switch": Plug,
    "fan": Fan,
    "siren": Siren,
    "humidifier": Humidifier,
    "cover": Cover,
    "valve": Valve,
    "lock": DoorLock,
    "alarm_control_panel": Alarm,
    "climate": Climate,
    "water_heater": WaterHeater,
    "media_player": Player,
    "vacuum": Vacuum,
    "lawn_mower": Mower,
    "scene": Picture,
    "script": Script,
    "button": Button,
    "input_button": Button,
    "input_boolean": Toggle,
    "number": Number,
    "input_number": InputNumber,
    "select": Choice,
    "input_select": Choice,
    "todo": Todo,
    "timer": Timer,
}
# These only tell, and Home Assistant need not be set up for them.
TELLING = ("sensor", "binary_sensor", "weather", "person", "device_tracker", "sun")


class World:
    """A running Home Assistant, empty but for the house that is in it."""

    def __init__(self, hass: HomeAssistant, entry: MockConfigEntry) -> None:
        """Take a Home Assistant that is set up, and the config entry that its satellites belong to."""
        self.hass = hass
        self._entry = entry
        self._count = itertools.count()

    @asynccontextmanager
    async def open(self, house: House) -> AsyncIterator[Residence]:
        """Let a house move in, and out again."""
        hass = self.hass
        hass.config.units = METRIC_SYSTEM if house.metric else US_CUSTOMARY_SYSTEM
        for floor in house.floors:
            self._create_floor(floor.floor_id, floor.name, set(floor.aliases))
        for area in house.areas:
            self._create_area(area)
        entities = await self._create_things(house)
        satellites = self._satellites(house)
        timers = [
            async_register_timer_handler(hass, device_id, lambda _event, _timer: None)
            for device_id in satellites.values()
            if house.timers
        ]
        residence = Residence(hass, house, entities, satellites)
        try:
            yield residence
        finally:
            residence.silence()
            for unregister in timers:
                unregister()
            await self._clear(residence)

    def _create_floor(self, floor_id: str, name: str, aliases: set[str]) -> None:
        floors = fr.async_get(self.hass)
        created = floors.async_create(floor_id.replace("_", " "), aliases=aliases)
        if created.floor_id != floor_id:
            raise ValueError(f"Home Assistant makes {created.floor_id} of the floor {floor_id}")
        floors.async_update(floor_id, name=name)

    def _create_area(self, area: Area) -> None:
        areas = ar.async_get(self.hass)
        created = areas.async_create(area.area_id.replace("_", " "), aliases=set(area.aliases), floor_id=area.floor_id)
        if created.id != area.area_id:
            raise ValueError(f"Home Assistant makes {created.id} of the area {area.area_id}")
        areas.async_update(area.area_id, name=area.name)

    async def _create_things(self, house: House) -> dict[str, Remembering]:
        """Return the entities of a house by their ids, registered with names, aliases, areas and exposure."""
        registry = er.async_get(self.hass)
        batch = next(self._count)
        by_domain: dict[str, list[Remembering]] = {}
        for thing in house.things:
            unique_id = f"{batch}/{thing.entity_id}"
            self._register(registry, thing, unique_id)
            entity = ENTITIES.get(thing.domain, Teller)(thing)
            entity._attr_unique_id = unique_id  # noqa: SLF001 - it is this package's own
            by_domain.setdefault(thing.domain, []).append(entity)
        components = self.hass.data[DATA_INSTANCES]
        for domain, entities in by_domain.items():
            await components[domain].async_add_entities(entities)
        return {entity.entity_id: entity for entities in by_domain.values() for entity in entities}

    def _register(self, registry: er.EntityRegistry, thing: Thing, unique_id: str) -> None:
        """Register an entity before it is added, so that it has its area and its aliases from the beginning."""
        entry = registry.async_get_or_create(
            thing.domain,
            thing.domain,
            unique_id,
            suggested_object_id=thing.entity_id.partition(".")[2],
            original_name=thing.name,
            get_initial_options=lambda: {ASSISTANT: {"should_expose": thing.exposed}},
        )
        if entry.entity_id != thing.entity_id:
            raise ValueError(f"Home Assistant makes {entry.entity_id} of {thing.entity_id}")
        if thing.aliases or thing.area_id:
            registry.async_update_entity(
                entry.entity_id, aliases=[er.COMPUTED_NAME, *thing.aliases], area_id=thing.area_id
            )

    def _satellites(self, house: House) -> dict[str | None, str]:
        """Return the devices that people speak to, by area; one is without."""
        devices = dr.async_get(self.hass)
        found: dict[str | None, str] = {}
        for number, area_id in enumerate((None, *(area.area_id for area in house.areas))):
            device = devices.async_get_or_create(
                config_entry_id=self._entry.entry_id, identifiers={("satellite", str(number))}
            )
            devices.async_update_device(device.id, area_id=area_id)
            found[area_id] = device.id
        return found

    async def _clear(self, residence: Residence) -> None:
        """Remove everything that belongs to a house."""
        hass = self.hass
        registry, devices = er.async_get(hass), dr.async_get(hass)
        house = residence.house
        for entity in residence.entities.values():
            await entity.async_remove(force_remove=True)
        for thing in house.things:
            registry.async_remove(thing.entity_id)
        for area in house.areas:
            ar.async_get(hass).async_delete(area.area_id)
        for floor in house.floors:
            fr.async_get(hass).async_delete(floor.floor_id)
        for device_id in residence.satellites.values():
            devices.async_remove_device(device_id)
        await hass.async_block_till_done()
        # What was removed would be remembered for thirty days. Satellites are the same few in every house.
        registry.deleted_entities.clear()
        restore_state.async_get(hass).last_states.clear()


class Residence:
    """A house that has moved in.

    Attributes:
        house: as it is meant to be now.
        satellites: ids of the devices that people speak to, by area.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        house: House,
        entities: Mapping[str, Remembering],
        satellites: Mapping[str | None, str],
    ) -> None:
        """Take what has been set up."""
        self.hass = hass
        self.house = house
        self.satellites = satellites
        self.entities = entities

    def become(self, house: House) -> None:
        """Be the same house in another moment, in which the assistant may know of other devices."""
        known = {thing.entity_id for thing in self.house.exposed}
        for thing in house.things:
            if thing.exposed != (thing.entity_id in known):
                async_expose_entity(self.hass, ASSISTANT, thing.entity_id, thing.exposed)
        self.house = house
        for thing in house.things:
            self.entities[thing.entity_id].become(thing)

    def restore(self) -> None:
        """Put everything back that was touched."""
        self.silence()
        for entity in self.entities.values():
            if entity.touched:
                entity.become(self.house.thing(entity.entity_id))

    def silence(self) -> None:
        """Cancel the timers of the satellites."""
        manager = self.hass.data[TIMER_DATA]
        for timer_id in list(manager.timers):
            manager.cancel_timer(timer_id)

    @contextmanager
    def broken(self, message: str) -> Iterator[None]:
        """Let every device fail with a message, whatever it is told."""
        for entity in self.entities.values():
            entity.fault = message
        try:
            yield
        finally:
            for entity in self.entities.values():
                entity.fault = None


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """Start a Home Assistant in a folder of its own, with the integration's translations at hand."""
    with _config_folder() as folder:
        async with async_test_home_assistant(config_dir=folder) as hass:
            hass.data.pop(DATA_CUSTOM_COMPONENTS, None)
            for domain in ("homeassistant", "intent", *ENTITIES):
                if not await async_setup_component(hass, domain, {}):
                    raise RuntimeError(f"Home Assistant cannot set up {domain}")
            for domain in TELLING:
                if domain not in hass.data[DATA_INSTANCES]:
                    EntityComponent(_LOGGER, domain, hass)
            entry = MockConfigEntry(domain="satellite")
            entry.add_to_hass(hass)
            await hass.async_block_till_done()
            try:
                yield World(hass, entry)
            finally:
                await hass.async_stop(force=True)


@contextmanager
def _config_folder() -> Iterator[str]:
    """Make a folder for Home Assistant, in which it finds the integration."""
    with tempfile.TemporaryDirectory(prefix="home-llm-lab-") as folder:
        (Path(folder) / "custom_components").symlink_to(Path(custom_components.__path__[0]).resolve())
        yield folder


@asynccontextmanager
async def open_house(house: House) -> AsyncIterator[Residence]:
    """Start a Home Assistant for one house only."""
    async with open_world() as world, world.open(house) as residence:
        yield residence
