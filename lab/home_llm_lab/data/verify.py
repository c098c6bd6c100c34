"""Carry out what an example says in the virtual house, and keep it only if just that happens which was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from home_llm_lab.example import Call, Example, Turn
from home_llm_lab.virtual.snapshot import Watch, values_of
from home_llm_lab.virtual.speaking import Speaking, arguments
from home_llm_lab.virtual.world import Residence

from .admits import Grammar, fault_of_sentence
from .effects import fault_of_changes

# With these there has to be a timer that runs.
_ABOUT_TIMERS = frozenset({"assist.cancel_timer", "assist.cancel_all_timers"})


class RejectedError(Exception):
    """An example does not do what it says, with the reason."""


@dataclass(frozen=True, slots=True)
class Verified:
    """An example that does what it says.

    Attributes:
        messages: the conversation as the model sees and writes it.
        effects: what the last turn changes.
        only_last: whether only the last answer is to be learned: the ones before failed.
    """

    messages: tuple[Mapping[str, str], ...]
    effects: Mapping[str, Mapping[str, Any]]
    only_last: bool


@dataclass(slots=True)
class Verifier:
    """Executes examples in a house, in one moment of it.

    Attributes:
        residence: the house, in which everything is put back after each example.
        speaking: what the integration says there.
        grammar: what can be written there.
    """

    residence: Residence
    speaking: Speaking
    grammar: Grammar

    @classmethod
    async def begin(cls, residence: Residence) -> Verifier:
        """Look at the house as it is now."""
        speaking = await Speaking.begin(residence)
        return cls(residence, speaking, Grammar(speaking.openai_tools))

    async def verify(self, example: Example) -> Verified:
        """Return an example as a conversation.

        Raises:
            RejectedError: it does not do what it says, or cannot be written.
        """
        if not example.turns or not example.turns[0].said or example.turns[-1].error is not None:
            raise RejectedError("does not begin with words of the user, or ends with an error")
        language = example.language or self.residence.house.language
        try:
            if any(call.service in _ABOUT_TIMERS for turn in example.turns for call in turn.calls):
                await self._start_timer(example.area_id, language)
            return await self._messages(example, language)
        finally:
            self.residence.restore()

    async def _messages(self, example: Example, language: str) -> Verified:
        messages: list[dict[str, str]] = []
        errors: list[str] = []
        for turn in example.turns:
            if bool(turn.said) is bool(errors):
                raise RejectedError("an error is followed by words of the user, or nothing by none")
            messages.append({"role": "user", "content": turn.said or "\n".join(f"Error: {text}" for text in errors)})
            lines = self._lines(turn)
            errors = await self._perform(turn, example.area_id, language)
            # The sentence after a call that failed is never said.
            messages.append({"role": "assistant", "content": "\n".join(lines if errors else [*lines, turn.reply])})
        only_last = any(turn.error is not None for turn in example.turns)
        return Verified(tuple(messages), example.turns[-1].effects, only_last)

    def written(self, turn: Turn) -> str:
        """Return the answer of a turn as the model would write it.

        Raises:
            RejectedError: the grammar does not let it.
        """
        return "\n".join([*self._lines(turn), turn.reply])

    def _lines(self, turn: Turn) -> list[str]:
        """Return the calls of a turn as lines.

        Raises:
            RejectedError: the grammar does not let the model write them, or the sentence after them.
        """
        if turn.act == "act" and not turn.calls:
            raise RejectedError("acts without a call")
        if turn.act != "act" and (turn.calls or turn.effects):
            raise RejectedError("only speaks, and calls something all the same")
        lines: list[str] = []
        for call in turn.calls:
            written = self.speaking.write(call)
            if fault := self.grammar.fault_of_call(written, call.service, arguments(call)):
                raise RejectedError(f"{call.service} cannot be written: {fault}")
            lines.append(written)
        if len(set(lines)) != len(lines):
            raise RejectedError("calls the same twice")
        if fault := fault_of_sentence(turn.reply):
            raise RejectedError(f"the reply {fault}")
        return lines

    async def _perform(self, turn: Turn, area_id: str | None, language: str) -> list[str]:
        """Carry out the calls of a turn, and return what went wrong in words.

        Raises:
            RejectedError: something else has changed than was meant, or a call was refused that should not be.
        """
        watch = Watch(self.residence)
        errors: list[str] = []
        if turn.error is None:
            for call in turn.calls:
                if error := await self.speaking.perform(call, area_id=area_id, language=language):
                    raise RejectedError(f"{call.service} is refused: {_general(error)}")
        else:
            with self.residence.broken(turn.error):
                told = [await self.speaking.perform(call, area_id=area_id, language=language) for call in turn.calls]
            errors = [error for error in told if error]
            if not errors:
                raise RejectedError("should have failed")
        now = {
            entity_id: values_of(self.residence, entity_id)
            for entity_id in turn.effects
            if entity_id in self.residence.entities
        }
        changes = watch.changes()
        # What only counts as activated has no state that says so.
        now |= {entity_id: is_now for entity_id, (_, is_now) in changes.items() if entity_id in turn.effects}
        if not errors and (fault := fault_of_changes(changes, turn.effects, now)):
            raise RejectedError(fault)
        return errors

    async def _start_timer(self, area_id: str | None, language: str) -> None:
        call = Call("assist.start_timer", None, {"duration": "5 minutes"})
        await self.speaking.perform(call, area_id=area_id, language=language)


def _general(error: str) -> str:
    """Return an error without the names in it, so that equal ones are counted together."""
    return " ".join(word for word in error.split() if word[:1].islower())[:60]
