"""The conversation agent."""

from typing import Any, Literal, override

from homeassistant.components import conversation
from homeassistant.components.conversation.models import AbstractConversationAgent
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_LLM_HASS_API, CONF_PROMPT, MATCH_ALL
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util.ulid import ulid_now

from .client import HomeLlmError
from .const import DOMAIN, LOGGER, SUBENTRY_CONVERSATION, ToolMode
from .coordinator import HomeLlmConfigEntry
from .entity import HomeLlmEntity
from .errors import AgentError
from .home_format import DEFAULT_INSTRUCTIONS
from .home_services import HomeServicesAPI
from .speech import async_error_sentence

# The server decides how many answers it makes at once.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001
    entry: HomeLlmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an entity for each agent of the entry."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_CONVERSATION:
            async_add_entities([HomeLlmConversationEntity(entry, subentry)], config_subentry_id=subentry.subentry_id)


class HomeLlmConversationEntity(conversation.ConversationEntity, AbstractConversationAgent, HomeLlmEntity):
    """An agent that answers, and acts on the house."""

    _attr_supports_streaming = True
    _attr_translation_key = "conversation"

    def __init__(self, entry: HomeLlmConfigEntry, subentry: ConfigSubentry) -> None:
        """Tell Home Assistant whether the agent can act."""
        super().__init__(entry, subentry)
        if self.tool_mode is ToolMode.HOME or subentry.data.get(CONF_LLM_HASS_API):
            self._attr_supported_features = conversation.ConversationEntityFeature.CONTROL

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        """Return that the model decides which languages it understands."""
        return MATCH_ALL

    @override
    async def async_added_to_hass(self) -> None:
        """Have the beginning of the prompt kept warm."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.warmth.async_add(self.subentry, self._async_prefix))

    @override
    async def async_prepare(self, language: str | None = None) -> None:
        """Warm the prompt while somebody begins to speak."""
        await self.coordinator.warmth.async_wake(self.subentry)

    async def _async_prefix(self) -> dict[str, Any]:
        """Return the request of a turn as far as it is known before anybody speaks."""
        chat_log = conversation.ChatLog(self.hass, ulid_now())
        context = llm.LLMContext(
            platform=DOMAIN,
            context=Context(),
            language=self.hass.config.language,
            assistant=conversation.DOMAIN,
            device_id=None,
        )
        await chat_log.async_provide_llm_data(context, self._llm_api(), self._prompt())
        return self._request(chat_log, self._plan(chat_log))

    @override
    async def _async_handle_message(
        self, user_input: conversation.ConversationInput, chat_log: conversation.ChatLog
    ) -> conversation.ConversationResult:
        """Answer a sentence; whatever goes wrong is answered too, with a sentence that says so."""
        asked = chat_log.content[-1]
        try:
            await chat_log.async_provide_llm_data(
                user_input.as_llm_context(DOMAIN),
                self._llm_api(),
                self._prompt(),
                user_input.extra_system_prompt,
            )
            await self._async_handle_chat_log(chat_log, user_input.language)
        except conversation.ConverseError as err:
            return err.as_conversation_result()
        except HomeAssistantError as err:
            LOGGER.error("%s could not answer: %s", self.entity_id, err)
            if isinstance(err.__cause__, HomeLlmError):
                # Find out at once whether the server is gone, or refuses the key.
                self.entry.async_create_task(self.hass, self.coordinator.async_request_refresh())
            sentence = await async_error_sentence(self.hass, user_input.language, err)
            return self._error_result(user_input, chat_log, asked, sentence)
        return conversation.async_get_result_from_chat_log(user_input, chat_log)

    def _error_result(
        self,
        user_input: conversation.ConversationInput,
        chat_log: conversation.ChatLog,
        asked: conversation.Content,
        sentence: str,
    ) -> conversation.ConversationResult:
        """Return a spoken error, and keep the history in order.

        A turn in which nothing happened is forgotten. One in which something was done has to end with an
        answer, or the next turn would begin in the middle of it.
        """
        if chat_log.content[-1] is not asked:
            chat_log.async_add_assistant_content_without_tools(
                conversation.AssistantContent(agent_id=self.entity_id, content=sentence)
            )
        response = intent.IntentResponse(language=user_input.language)
        response.async_set_error(intent.IntentResponseErrorCode.UNKNOWN, sentence)
        return conversation.ConversationResult(response=response, conversation_id=chat_log.conversation_id)

    def _llm_api(self) -> llm.API | list[str] | None:
        """Return what the agent may use.

        Raises:
            AgentError: the agent wants home services of a server that does not have them.
        """
        if self.tool_mode is ToolMode.HOME:
            if not self.coordinator.data.is_home_llm:
                raise AgentError("home_mode_unsupported")
            return HomeServicesAPI(self.hass)
        apis: list[str] = list(self.subentry.data.get(CONF_LLM_HASS_API, ()))
        # An API whose integration is gone does not take the others with it.
        known = {api.id for api in llm.async_get_apis(self.hass)}
        return [api for api in apis if api in known] or None

    def _prompt(self) -> str | None:
        """Return the instructions, the default ones of the mode where none are written."""
        default = DEFAULT_INSTRUCTIONS if self.tool_mode is ToolMode.HOME else None
        return self.subentry.data.get(CONF_PROMPT) or default
