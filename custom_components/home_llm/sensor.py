"""How the server does: its model, its queue, and what its last answer cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.sensor import SensorEntity, SensorEntityDescription
from homeassistant.components.sensor.const import SensorDeviceClass, SensorStateClass
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DEFAULT_TITLE, DOMAIN
from .coordinator import WANTS_QUEUE, HomeLlmConfigEntry, HomeLlmCoordinator
from .known_models import model_in_use
from .measure import Answer

# The coordinator has all values.
PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class HomeLlmSensorDescription(SensorEntityDescription):
    """A sensor, and where its value comes from."""

    value: Callable[[HomeLlmCoordinator], str | float | None]
    wants_queue: bool = False


def _of_last(value: Callable[[Answer], float | None]) -> Callable[[HomeLlmCoordinator], float | None]:
    """Return a function that takes a value from the last answer, None before there is one."""

    def read(coordinator: HomeLlmCoordinator) -> float | None:
        last = coordinator.totals.last
        return None if last is None else value(last)

    return read


def _percent(share: float | None) -> float | None:
    """Return a share as percents."""
    return None if share is None else share * 100


SENSORS = (
    HomeLlmSensorDescription(
        key="model",
        translation_key="model",
        entity_category=EntityCategory.DIAGNOSTIC,
        value=lambda coordinator: model_in_use(coordinator.data),
    ),
    HomeLlmSensorDescription(
        key="time_to_first_token",
        translation_key="time_to_first_token",
        entity_category=EntityCategory.DIAGNOSTIC,
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=2,
        value=_of_last(lambda answer: answer.seconds_to_first_token),
    ),
    HomeLlmSensorDescription(
        key="tokens_per_second",
        translation_key="tokens_per_second",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value=_of_last(lambda answer: answer.tokens_per_second),
    ),
    HomeLlmSensorDescription(
        key="cache_hit_rate",
        translation_key="cache_hit_rate",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=_of_last(lambda answer: _percent(answer.cache_hit_rate)),
    ),
    HomeLlmSensorDescription(
        key="tokens_used",
        translation_key="tokens_used",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda coordinator: coordinator.totals.prompt_tokens + coordinator.totals.completion_tokens,
    ),
    HomeLlmSensorDescription(
        key="queue",
        translation_key="queue",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.MEASUREMENT,
        wants_queue=True,
        value=lambda coordinator: coordinator.queue.length if coordinator.queue else None,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001
    entry: HomeLlmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of a server."""
    async_add_entities(HomeLlmSensor(entry, description) for description in SENSORS)


class HomeLlmSensor(CoordinatorEntity[HomeLlmCoordinator], SensorEntity):
    """One number, or name, of a server."""

    _attr_has_entity_name = True
    entity_description: HomeLlmSensorDescription

    def __init__(self, entry: HomeLlmConfigEntry, description: HomeLlmSensorDescription) -> None:
        """Belong to the device of the server."""
        super().__init__(entry.runtime_data, WANTS_QUEUE if description.wants_queue else None)
        self.entity_description = description
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        health = self.coordinator.data.health
        self._attr_device_info = dr.DeviceInfo(
            identifiers={(DOMAIN, entry.entry_id)},
            translation_key="server",
            translation_placeholders={"name": entry.title},
            manufacturer=DEFAULT_TITLE,
            sw_version=health.version if health else None,
            entry_type=dr.DeviceEntryType.SERVICE,
        )

    @override
    async def async_added_to_hass(self) -> None:
        """Ask for the queue, which nobody has wanted before."""
        await super().async_added_to_hass()
        if self.entity_description.wants_queue and self.coordinator.queue is None:
            self.coordinator.config_entry.async_create_task(self.hass, self.coordinator.async_request_refresh())

    @property
    @override
    def available(self) -> bool:
        """Return whether the server answers, and tells of this."""
        known = not self.entity_description.wants_queue or self.coordinator.queue is not None
        return super().available and known

    @property
    @override
    def native_value(self) -> str | float | None:
        """Return the value."""
        return self.entity_description.value(self.coordinator)
