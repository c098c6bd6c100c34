"""AI tasks: text or structured data that the model makes for an automation."""

from typing import Any, override

import probatio
from homeassistant.components import ai_task, conversation
from homeassistant.components.ai_task.const import AITaskEntityFeature
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_MODEL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .asking import Turn
from .assist_guard import guard_tools
from .client import HomeLlmError
from .const import LOGGER, SUBENTRY_AI_TASK
from .coordinator import HomeLlmConfigEntry
from .deadline import turn_deadline
from .entity import HomeLlmEntity
from .errors import AgentError
from .known_models import sees_pictures
from .pictures import async_picture_parts
from .structure import TaskRequest, read_answer, structure_schema

# The server decides how many answers it makes at once.
PARALLEL_UPDATES = 0

# An answer that does not fit is sent back with the reason once. What is wrong twice stays wrong.
ATTEMPTS = 2

_RETRY_PROMPT = "That was not accepted: {reason}. Answer again, with nothing but JSON that fits the schema."


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001
    entry: HomeLlmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an entity for each AI task of the entry."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_AI_TASK:
            async_add_entities([HomeLlmTaskEntity(entry, subentry)], config_subentry_id=subentry.subentry_id)


class HomeLlmTaskEntity(ai_task.AITaskEntity, HomeLlmEntity):
    """A model that does tasks."""

    _attr_translation_key = "ai_task_data"

    def __init__(self, entry: HomeLlmConfigEntry, subentry: ConfigSubentry) -> None:
        """Tell Home Assistant whether the model can look at pictures."""
        super().__init__(entry, subentry)
        self._attr_supported_features = AITaskEntityFeature.GENERATE_DATA
        # Many servers do not tell. Where the model turns out to be blind, the task says so.
        if sees_pictures(self.coordinator.data, subentry.data.get(CONF_MODEL)) is not False:
            self._attr_supported_features |= AITaskEntityFeature.SUPPORT_ATTACHMENTS

    @override
    async def _async_generate_data(
        self, task: ai_task.GenDataTask, chat_log: conversation.ChatLog
    ) -> ai_task.GenDataTaskResult:
        """Do a task.

        Raises:
            AgentError: the server failed, or the model did not do it.
        """
        pictures = await async_picture_parts(self.hass, task.attachments or ())
        schema = structure_schema(task, chat_log) if task.structure is not None else None
        # Nobody is there to say yes: what would have to be asked first is refused.
        guard_tools(chat_log.llm_api, Turn(task.instructions))
        try:
            async with turn_deadline(self.agent.options.max_tokens):
                data = await self._async_work(task, chat_log, TaskRequest(task.name, schema, pictures))
        except AgentError as err:
            if isinstance(err.__cause__, HomeLlmError):
                # Find out at once whether the server is gone, or refuses the key.
                self.entry.async_create_task(self.hass, self.coordinator.async_request_refresh())
                if pictures and err.translation_key == "invalid_response":
                    raise AgentError("pictures_refused", message=str(err.__cause__)) from err
            raise
        return ai_task.GenDataTaskResult(conversation_id=chat_log.conversation_id, data=data)

    async def _async_work(self, task: ai_task.GenDataTask, chat_log: conversation.ChatLog, request: TaskRequest) -> Any:
        """Return the text or the data of a task, asking again where the data do not fit."""
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                chat_log.async_add_user_content(conversation.UserContent(_RETRY_PROMPT.format(reason=reason)))
            await self._async_handle_chat_log(chat_log, None, request.complete)
            last = chat_log.content[-1]
            text = (last.content if isinstance(last, conversation.AssistantContent) else None) or ""
            if task.structure is None:
                return text
            try:
                return read_answer(text, task.structure)
            except (ValueError, probatio.Invalid) as err:
                reason = str(err)
                LOGGER.warning("%s: the answer to %r does not fit: %s", self.entity_id, task.name, reason)
                LOGGER.debug("The answer that does not fit: %s", text)
        raise AgentError("structure_failed", task=task.name, message=reason)
