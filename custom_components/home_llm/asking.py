"""Ask before something is done: what waits for a word of the user, and what that word was."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

from homeassistant.components import conversation
from homeassistant.core import HomeAssistant
from homeassistant.helpers import intent, llm

from .const import DOMAIN, LOGGER
from .speech import async_done, async_sentence
from .trust import DEFAULT_CONFIRM, Guarded
from .wording import understand

# Who has not answered by then has turned to something else.
ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that is done when the user says yes."""

    question: str
    perform: Callable[[llm.LLMContext], Awaitable[llm.ToolResult]]


@dataclass
class Turn:
    """One sentence of a user: what was said, what has to be asked first, and what is waiting for an answer."""

    said: str = ""
    confirm: frozenset[Guarded] = frozenset(DEFAULT_CONFIRM)
    user_id: str | None = None
    # Where questions are kept; without one nobody can answer, as in an AI task, and what has to be asked is not done.
    store: "Confirmations | None" = None
    waiting: list[Waiting] = field(default_factory=list)
    # What the user may have meant, where the model took something else. It is told so, and may do better first.
    suggestion: Waiting | None = None
    rounds: int = 0

    async def async_ask(self, hass: HomeAssistant, language: str | None, waiting: Waiting) -> llm.ToolResult:
        """Put something off until the user has agreed, and return what the model is told; refuse it without a user."""
        if self.store is None:
            LOGGER.warning("Not done, because nobody can be asked: %s", waiting.question)
            sentence = await async_sentence(hass, language, "nobody_to_ask", {"question": waiting.question})
            return llm.ToolResult(data={"error": sentence}, error=True)
        if all(other.question != waiting.question for other in self.waiting):
            self.waiting.append(waiting)
        return llm.ToolResult(data={"error": waiting.question, "asked": True}, error=True)


class AskingTool(llm.Tool):
    """A tool that may have to ask first."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is waiting in a conversation."""

    waiting: tuple[Waiting, ...]
    user_id: str | None
    until: float

    @property
    def question(self) -> str:
        """Return all that was asked."""
        return " ".join(item.question for item in self.waiting)


class Confirmations:
    """What an agent has asked, by conversation."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self._asked: dict[str, _Asked] = {}

    def turn(self, user_input: conversation.ConversationInput, confirm: Iterable[str] | None) -> Turn:
        """Return a new turn, with what an agent's options want confirmed."""
        kinds = frozenset(DEFAULT_CONFIRM if confirm is None else map(Guarded, confirm))
        return Turn(user_input.text, kinds, user_input.context.user_id, self)

    def keep(self, conversation_id: str, turn: Turn) -> None:
        """Remember what a turn has asked, and forget what is past."""
        now = monotonic()
        self._asked = {key: asked for key, asked in self._asked.items() if asked.until > now}
        self._asked[conversation_id] = _Asked(tuple(turn.waiting), turn.user_id, now + ANSWER_SECONDS)

    async def async_answer(
        self, chat_log: conversation.ChatLog, user_input: conversation.ConversationInput, agent_id: str
    ) -> conversation.ConversationResult | None:
        """Do or drop what was asked, if this is a yes or a no to it; return None for any other sentence.

        Whatever was said, nothing waits any longer.
        """
        asked = self._asked.pop(chat_log.conversation_id, None)
        # A yes counts only in time, and only of the person who was asked.
        if asked is None or asked.until <= monotonic() or asked.user_id != user_input.context.user_id:
            return None
        hass, language = chat_log.hass, user_input.language
        agreed = understand(user_input.text, language, asked.question)
        if agreed is None:
            return None
        response = intent.IntentResponse(language=language)
        if agreed:
            llm_context = user_input.as_llm_context(DOMAIN)
            results = [await waiting.perform(llm_context) for waiting in asked.waiting]
            errors = [str(result.data.get("error")) for result in results if result.error]
            sentence = " ".join(errors) or await async_done(hass, language)
            if errors:
                response.async_set_error(intent.IntentResponseErrorCode.FAILED_TO_HANDLE, sentence)
        else:
            sentence = await async_sentence(hass, language, "not_done")
        response.async_set_speech(sentence)
        chat_log.async_add_assistant_content_without_tools(
            conversation.AssistantContent(agent_id=agent_id, content=sentence)
        )
        return conversation.ConversationResult(response=response, conversation_id=chat_log.conversation_id)


async def async_ask(chat_log: conversation.ChatLog, agent_id: str) -> bool:
    """Ask what has to be asked in this turn, and return whether there was anything.

    The question is streamed into the chat log like an answer of the model.
    """
    turn = _turn(chat_log.llm_api)
    if turn is None:
        return False
    turn.rounds += 1
    errors = _other_errors(chat_log)
    if errors and turn.store and turn.suggestion is not None and not turn.waiting and turn.rounds > 1:
        # The model has been told, and has not done better.
        turn.waiting.append(turn.suggestion)
        errors = []
    if not turn.waiting:
        return False
    if turn.store is not None:
        turn.store.keep(chat_log.conversation_id, turn)
    sentence = " ".join([*errors, *(item.question for item in turn.waiting)])
    async for _content in chat_log.async_add_delta_content_stream(agent_id, _spoken(sentence)):
        pass
    return True


async def _spoken(sentence: str) -> AsyncGenerator[conversation.AssistantContentDeltaDict]:
    """Yield a sentence as the deltas of one message."""
    yield {"role": "assistant"}
    yield {"content": sentence}


def _turn(api: llm.APIInstance | None) -> Turn | None:
    """Return the turn that the tools of a request belong to."""
    tools = api.tools if api else ()
    return next((tool.turn for tool in tools if isinstance(tool, AskingTool)), None)


def _other_errors(chat_log: conversation.ChatLog) -> list[str]:
    """Return what else went wrong in the calls just made, which would be forgotten over the question."""
    errors: list[str] = []
    for item in reversed(chat_log.content):
        if not isinstance(item, conversation.ToolResultContent):
            break
        words = item.result.data.get("error_text") or item.result.data.get("error")
        if item.result.error and not item.result.data.get("asked") and isinstance(words, str):
            errors.insert(0, words)
    return errors
