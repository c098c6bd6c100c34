"""The conversation agent."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Literal, override

from homeassistant.components import conversation
from homeassistant.components.conversation.models import AbstractConversationAgent
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_LLM_HASS_API, MATCH_ALL
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util.ulid import ulid_now

from .agent_prompt import Asked, async_prepare_prompt
from .asking import Confirmations, Turn
from .assist_guard import guard_tools
from .client import HomeLlmError
from .const import CONF_CONFIRM, DOMAIN, LOGGER, SUBENTRY_CONVERSATION, ToolMode
from .coordinator import HomeLlmConfigEntry
from .deadline import turn_deadline
from .entity import HomeLlmEntity
from .prompt import Prompt
from .prompt_render import RENDERED_PROMPT, PromptContext
from .speech import async_error_sentence
from .spoken import asks_back
from .tokens import estimate_tokens

# The server decides how many answers it makes at once.
PARALLEL_UPDATES = 0

RECENT_ENTITIES = 8


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
        self._recent: deque[str] = deque(maxlen=RECENT_ENTITIES)
        self._confirmations = Confirmations()
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
        prompt = await self._async_begin(chat_log, context)
        return self._request(chat_log, self._plan(chat_log, prompt))

    async def async_will_remove_from_hass(self) -> None:
        """Take back what was reported about this agent."""
        self.coordinator.problems.house_forgotten(self.subentry)
        await super().async_will_remove_from_hass()

    @override
    async def _async_handle_message(
        self, user_input: conversation.ConversationInput, chat_log: conversation.ChatLog
    ) -> conversation.ConversationResult:
        """Answer a sentence; whatever goes wrong is answered too, with a sentence that says so."""
        asked = chat_log.content[-1]
        if (answered := await self._confirmations.async_answer(chat_log, user_input, self.entity_id)) is not None:
            return answered
        turn = self._confirmations.turn(user_input, self.subentry.data.get(CONF_CONFIRM))
        start = len(chat_log.content)
        try:
            async with turn_deadline():
                prompt = await self._async_begin(
                    chat_log, user_input.as_llm_context(DOMAIN), user_input.extra_system_prompt, turn
                )
                guard_tools(chat_log.llm_api, turn)
                await self._async_handle_chat_log(chat_log, user_input.language, prompt=prompt)
        except conversation.ConverseError as err:
            return err.as_conversation_result()
        except HomeAssistantError as err:
            LOGGER.error("%s could not answer: %s", self.entity_id, err)
            if isinstance(err.__cause__, HomeLlmError):
                # Find out at once whether the server is gone, or refuses the key.
                self.entry.async_create_task(self.hass, self.coordinator.async_request_refresh())
            sentence = await async_error_sentence(self.hass, user_input.language, err)
            return self._error_result(user_input, chat_log, asked, sentence)
        finally:
            self._remember(chat_log.content[start:])
        return self._result(user_input, chat_log, start)

    async def _async_begin(
        self,
        chat_log: conversation.ChatLog,
        context: llm.LLMContext,
        extra: str | None = None,
        turn: Turn | None = None,
    ) -> Prompt:
        """Give a chat log its prompt and its tools.

        Raises:
            ConverseError: Home Assistant refuses.
            HomeAssistantError: there is no prompt, or no API.
        """
        said = [item.content for item in chat_log.content if isinstance(item, conversation.UserContent)]
        asked = Asked(context, " ".join(said[-2:]), tuple(self._recent), turn)
        prepared = await async_prepare_prompt(self.hass, self.agent, asked)
        prompt = prepared.prompt
        if prepared.situation.kept.devices:
            tokens = estimate_tokens(prompt.text)
            self.coordinator.problems.house_told(
                self.subentry, prepared.situation.kept, tokens, self.agent.context_size
            )
        # Newer versions of Home Assistant would go on with the states of the first turn.
        chat_log.llm_api = None
        await chat_log.async_provide_llm_data(
            PromptContext.of(context, prompt.halves[0] if prepared.api else prompt.text),
            prepared.api,
            RENDERED_PROMPT,
            extra,
        )
        return prompt

    def _result(
        self, user_input: conversation.ConversationInput, chat_log: conversation.ChatLog, start: int
    ) -> conversation.ConversationResult:
        """Return the answer, and whether it waits for another one."""
        result = conversation.async_get_result_from_chat_log(user_input, chat_log)
        last = chat_log.content[-1]
        if isinstance(last, conversation.AssistantContent):
            acted = any(isinstance(item, conversation.ToolResultContent) for item in chat_log.content[start:])
            result.continue_conversation |= asks_back(last.content, acted=acted)
        return result

    def _remember(self, turn: Sequence[conversation.Content]) -> None:
        """Remember which entities were used, because people go on speaking about them."""
        for item in turn:
            for call in (item.tool_calls or ()) if isinstance(item, conversation.AssistantContent) else ():
                if isinstance(entity_id := call.tool_args.get("entity_id"), str):
                    if entity_id in self._recent:
                        self._recent.remove(entity_id)
                    self._recent.appendleft(entity_id)

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
