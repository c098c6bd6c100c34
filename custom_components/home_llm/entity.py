"""The base of our entities: one agent of one server, and its conversation loop."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from homeassistant.components import conversation
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_MODEL
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import llm
from homeassistant.helpers.json import json_dumps
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .agent_prompt import Agent
from .asking import async_ask
from .assist import ToolNames, async_allowed_values, format_tool
from .const import (
    CONF_TEMPERATURE,
    CONF_TOOL_MODE,
    DEFAULT_HISTORY_TURNS,
    DEFAULT_TEMPERATURE,
    DEFAULT_TITLE,
    DOMAIN,
    MAX_TOOL_ITERATIONS,
    ToolMode,
)
from .coordinator import HomeLlmConfigEntry, HomeLlmCoordinator
from .deltas import assist_deltas, calls_first, home_deltas, latest_results
from .entity_budget import ANSWER_SHARE, HISTORY_SHARE
from .errors import AgentError, api_errors
from .history import HistoryLimits
from .home_services import HomeServicesInstance
from .messages import build_messages
from .prompt import Prompt
from .speech import async_done
from .spoken import spoken_events
from .tokens import MESSAGE_TOKENS, estimate_tokens
from .trained import Dialect

# Who asks for the same twice may mean it twice: two steps louder.
SAME_ROUNDS = 2


@dataclass
class _Plan:
    """What stays the same in every round of one turn."""

    request: dict[str, Any]
    names: ToolNames
    keep_call: Callable[[llm.ToolInput], bool] = lambda _call: True
    examples: list[dict[str, Any]] = field(default_factory=list)
    complete: Callable[[dict[str, Any]], dict[str, Any]] = lambda request: request
    history: HistoryLimits = field(default_factory=lambda: HistoryLimits(DEFAULT_HISTORY_TURNS))


class HomeLlmEntity(CoordinatorEntity[HomeLlmCoordinator]):
    """An entity that talks to the model."""

    _attr_has_entity_name = True
    _attr_name = None

    def __init__(self, entry: HomeLlmConfigEntry, subentry: ConfigSubentry) -> None:
        """Bind the entity to its agent."""
        super().__init__(entry.runtime_data)
        self.entry = entry
        self.subentry = subentry
        server = self.coordinator.data
        self._attr_unique_id = subentry.subentry_id
        self._attr_device_info = dr.DeviceInfo(
            identifiers={(DOMAIN, subentry.subentry_id)},
            name=subentry.title,
            manufacturer=DEFAULT_TITLE,
            model=subentry.data.get(CONF_MODEL) or server.default_model,
            sw_version=server.health.version if server.health else None,
            entry_type=dr.DeviceEntryType.SERVICE,
        )

    @property
    def tool_mode(self) -> ToolMode:
        """Return how this agent acts on the house."""
        return ToolMode(self.subentry.data.get(CONF_TOOL_MODE, ToolMode.HOME))

    @property
    def agent(self) -> Agent:
        """Return the agent as far as its prompt depends on it."""
        return Agent(self.subentry.data, self.coordinator.data)

    async def _async_handle_chat_log(
        self,
        chat_log: conversation.ChatLog,
        language: str | None,
        complete: Callable[[dict[str, Any]], dict[str, Any]] = lambda request: request,
        *,
        prompt: Prompt | None = None,
    ) -> None:
        """Let the model answer, and act, until it has said something.

        Args:
            chat_log: the conversation.
            language: the language of the sentences that we say ourselves.
            complete: adds to each request what only the caller knows.
            prompt: what the system prompt was made of, and the examples that follow it.

        Raises:
            AgentError: the server failed, or the model came to no answer.
        """
        start = len(chat_log.content)
        done = await async_done(self.hass, language)
        plan = self._plan(chat_log, prompt)
        plan.complete = complete
        failed: set[tuple[str, str]] = set()
        earlier: list[list[tuple[str, str]]] = []
        for _round in range(MAX_TOOL_ITERATIONS):
            length = len(chat_log.content)
            await self._async_round(chat_log, plan, done)
            if await async_ask(chat_log, self.entity_id):
                return
            if not chat_log.unresponded_tool_results or len(chat_log.content) == length:
                break
            # The same call that just failed would fail for ever, and one that worked is made for ever by some models.
            failures = _failed_calls(chat_log.content[length:])
            made = [_signature(call) for call in _calls(chat_log.content[length:])]
            if failures & failed or earlier[-SAME_ROUNDS:] == [made] * SAME_ROUNDS:
                break
            failed |= failures
            earlier.append(made)
        else:
            raise AgentError("too_many_rounds")
        self._close_turn(chat_log, start, done)

    def _request(self, chat_log: conversation.ChatLog, plan: _Plan) -> dict[str, Any]:
        """Return the body of the next request. Warming sends the same, of a conversation that has not begun."""
        messages = build_messages(chat_log.content, plan.examples, plan.names.outbound, plan.keep_call, plan.history)
        return plan.complete({**plan.request, "messages": messages})

    async def _async_round(self, chat_log: conversation.ChatLog, plan: _Plan, done: str) -> None:
        """Ask once, and stream the answer into the chat log."""
        with api_errors():
            async with (
                aclosing(self.coordinator.async_chat(self.subentry, self._request(chat_log, plan))) as events,
                aclosing(spoken_events(events)) as spoken,
            ):
                if isinstance(chat_log.llm_api, HomeServicesInstance):
                    older = chat_log.llm_api.dialect is not Dialect.COMPACT
                    deltas = home_deltas(calls_first(spoken) if older else spoken, chat_log, done)
                else:
                    deltas = assist_deltas(spoken, plan.names.inbound, chat_log)
                async with aclosing(deltas) as stream:
                    async for _content in chat_log.async_add_delta_content_stream(self.entity_id, stream):
                        pass

    def _close_turn(self, chat_log: conversation.ChatLog, start: int, done: str) -> None:
        """Make sure that the turn ends with something to say.

        Raises:
            AgentError: there is nothing to say, or only that a call was refused.
        """
        turn = chat_log.content[start:]
        if turn and isinstance(last := turn[-1], conversation.AssistantContent) and last.content:
            return
        # What was only thought comes after the results without answering them.
        results = list(latest_results([item for item in turn if not _is_silent(item)]))
        if refusal := next(filter(None, map(_refusal, results)), None):
            raise AgentError("refused", message=refusal)
        if not results or any(item.result.error for item in results) or _only_looked(chat_log.llm_api, turn):
            raise AgentError("empty_answer")
        # The model acted, and then had nothing to add.
        chat_log.async_add_assistant_content_without_tools(
            conversation.AssistantContent(agent_id=self.entity_id, content=done)
        )

    def _plan(self, chat_log: conversation.ChatLog, prompt: Prompt | None = None) -> _Plan:
        """Return the request of this turn, but for its messages."""
        data = self.subentry.data
        options = self.agent.options
        request: dict[str, Any] = {
            "max_tokens": options.max_tokens,
            "temperature": float(data.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE)),
        }
        if model := self.agent.model:
            request["model"] = model
        if options.thinking is not None:
            request["chat_template_kwargs"] = {"enable_thinking": options.thinking}
        plan = _Plan(request, ToolNames({}), examples=prompt.examples if prompt else [])
        api = chat_log.llm_api
        if isinstance(api, HomeServicesInstance):
            if api.openai_tools:
                request["tools"] = api.openai_tools
                request["home_llm"] = {"tool_markup": api.dialect.value, "render_tools": False}
            known = {tool["function"]["name"] for tool in api.openai_tools}
            plan.keep_call = lambda call: call.tool_name in known
        elif api is not None and api.tools:
            plan.names = ToolNames.from_names(tool.name for tool in api.tools)
            request["tools"] = [format_tool(tool, plan.names, api.custom_serializer) for tool in api.tools]
            if self.coordinator.data.is_home_llm:
                request.update(self._assist_extension(api, prompt))
        listed = prompt is not None and prompt.lists_tools
        plan.history = HistoryLimits(options.history_turns, self._history_tokens(chat_log, plan, listed=listed))
        return plan

    def _assist_extension(self, api: llm.APIInstance, prompt: Prompt | None) -> dict[str, Any]:
        """Return what a Home LLM server is told about Assist's tools."""
        extension: dict[str, Any] = {}
        if allowed := async_allowed_values(self.hass, api.llm_context.assistant):
            extension["allowed_values"] = allowed
        if prompt is not None and prompt.lists_tools:
            extension |= {"tool_markup": "functioncall", "render_tools": False}
        return {"home_llm": extension} if extension else {}

    def _history_tokens(self, chat_log: conversation.ChatLog, plan: _Plan, *, listed: bool) -> int | None:
        """Return about how many tokens are left for the conversation."""
        if (size := self.agent.context_size) is None:
            return None
        system = chat_log.content[0]
        spent = estimate_tokens(system.content or "") if isinstance(system, conversation.SystemContent) else 0
        spent += sum(MESSAGE_TOKENS + estimate_tokens(message["content"]) for message in plan.examples)
        if not listed and not isinstance(chat_log.llm_api, HomeServicesInstance):
            spent += estimate_tokens(json_dumps(plan.request.get("tools", [])))
        answer = min(int(plan.request["max_tokens"]), int(size * ANSWER_SHARE))
        # The estimate may be too high. What does not fit after all is refused by the server, in numbers.
        return max(int(size * HISTORY_SHARE), size - spent - answer)


def _failed_calls(content: Sequence[conversation.Content]) -> set[tuple[str, str]]:
    """Return the calls of a round that failed, as tool and arguments."""
    errors = {
        item.tool_call_id for item in content if isinstance(item, conversation.ToolResultContent) and item.result.error
    }
    return {_signature(call) for call in _calls(content) if call.id in errors}


def _calls(content: Sequence[conversation.Content]) -> list[llm.ToolInput]:
    """Return the calls that were made."""
    messages = (item for item in content if isinstance(item, conversation.AssistantContent))
    return [call for message in messages for call in message.tool_calls or ()]


def _signature(call: llm.ToolInput) -> tuple[str, str]:
    """Return what makes a call the same as another."""
    return call.tool_name, json_dumps(call.tool_args)


def _only_looked(api: llm.APIInstance | None, turn: Sequence[conversation.Content]) -> bool:
    """Return whether nothing was done in a turn, but only something looked up, which is no answer."""
    looking = {tool.name for tool in api.tools if tool.annotations.read_only} if api else set()
    return all(call.tool_name in looking for call in _calls(turn))


def _is_silent(item: conversation.Content) -> bool:
    """Return whether the assistant neither said nor did anything."""
    return isinstance(item, conversation.AssistantContent) and not item.content and not item.tool_calls


def _refusal(item: conversation.ToolResultContent) -> str | None:
    """Return the words of a failed call."""
    if not item.result.error:
        return None
    words = item.result.data.get("error_text") or item.result.data.get("error")
    return words if isinstance(words, str) else None
