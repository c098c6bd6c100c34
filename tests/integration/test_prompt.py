"""The prompt of an agent: templates, personas, what comes first and what comes last."""

from __future__ import annotations

from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import floor_registry as fr
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser, async_mock_service

from custom_components.home_llm.personas import Persona, persona_text
from custom_components.home_llm.tool_formats import ToolFormat
from tests.integration.chat_server import ChatServer, answer, call
from tests.integration.conftest import make_entry
from tests.integration.conversing import KITCHEN, say, speech

pytestmark = pytest.mark.usefixtures("house")

# The default template of home-llm for general models, as its documentation had it.
PRIOR_TEMPLATE = """You are 'Al'.
The current time and date is {{ (as_timestamp(now()) | timestamp_custom("%I:%M %p on %A %B %d, %Y", True, "")) }}
Tools: {{ tools | to_json }}
Devices:
{% for device in devices | selectattr('area_id', 'none'): %}
{{ device.entity_id }} '{{ device.name }}' = {{ device.state }}{{ ([""] + device.attributes) | join(";") }}
{% endfor %}
{% for area in devices | rejectattr('area_id', 'none') | groupby('area_name') %}
## Area: {{ area.grouper }}
{% for device in area.list %}
{{ device.entity_id }} '{{ device.name }}' = {{ device.state }};{{ device.attributes | join(";") }}
{% endfor %}
{% endfor %}
{% for item in response_examples %}
{{ item.request }}
{{ item.response }}
<functioncall> {{ item.tool | to_json }}
{% endfor %}"""


async def set_up(hass: HomeAssistant, server: ChatServer, **agent: Any) -> MockConfigEntry:
    """Set up an agent."""
    entry = make_entry(server, **agent)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def ask(hass: HomeAssistant, server: ChatServer, text: str = "hello", **kwargs: Any) -> dict[str, Any]:
    """Say something, and return what the server was sent."""
    server.script([answer("Hi.")])
    result = await say(hass, text, **kwargs)
    assert speech(result) == "Hi."
    return server.requests[-1]


async def prompt_of(hass: HomeAssistant, server: ChatServer, **kwargs: Any) -> str:
    """Say something, and return the system prompt."""
    message = (await ask(hass, server, **kwargs))["messages"][0]
    assert message["role"] == "system"
    return str(message["content"])


def shared(first: str, second: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    return next((at for at, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), len(first))


async def place(hass: HomeAssistant, entity_id: str, area: str, floor: str | None = None) -> ar.AreaEntry:
    """Put an entity into an area."""
    floor_id = fr.async_get(hass).async_create(floor).floor_id if floor else None
    entry = ar.async_get(hass).async_create(area, floor_id=floor_id)
    er.async_get(hass).async_update_entity(entity_id, area_id=entry.id)
    await hass.async_block_till_done()
    return entry


async def test_all_variables(hass: HomeAssistant, server: ChatServer, freezer: FrozenDateTimeFactory) -> None:
    """A template gets everything that is promised, and what it tells itself is not told again."""
    freezer.move_to("2026-11-20T14:05:00-08:00")
    await hass.config.async_set_time_zone("US/Pacific")
    await place(hass, "light.kitchen_light", "Kitchen", "Ground Floor")
    er.async_get(hass).async_update_entity("light.kitchen_light", aliases=[er.COMPUTED_NAME, "Big Lamp"])
    await set_up(
        hass,
        server,
        prompt="{{ user_name }}|{{ ha_name }}|{{ language }}|{{ time }}|{{ date }}|{{ areas | join(',') }}|"
        "{{ floors | join(',') }}|{{ services }}|{{ formatted_tools }}\n"
        "{% for d in devices if d.area %}{{ d.entity_id }}/{{ d.name }}/{{ d.aliases }}/{{ d.state }}/"
        "{{ d.attributes }}/{{ d.area.name }}/{{ d.floor.name }}/{{ d.domain }}{% endfor %}\n{{ formatted_devices }}",
    )
    user = MockUser(name="Anna").add_to_hass(hass)
    prompt = await prompt_of(hass, server, context=Context(user_id=user.id))
    assert prompt == (
        "Anna|test home|en|14:05|2026-11-20|Kitchen|Ground Floor|"
        "light.turn_on, light.turn_off, switch.turn_on, switch.turn_off, homeassistant.turn_off|"
        "light.turn_on(brightness,brightness_step,except), light.turn_off(except), switch.turn_on(), "
        "switch.turn_off(), homeassistant.turn_off(except)\n"
        "light.kitchen_light/Kitchen Light/['Big Lamp']/off/[]/Kitchen/Ground Floor/light\n"
        "light.attic_light 'Attic Light' = unavailable\n"
        "light.bedroom_light 'Bedroom Light' = off\n"
        "light.kitchen_light 'Kitchen Light' = off\n"
        "light.kitchen_light 'Big Lamp' = off;area=Kitchen\n"
        "switch.pump 'Pump' = off\n"
        "sensor.outside 'Outside Temperature' = 12.5 °C"
    )


async def test_functions_of_home_assistant_still_work(hass: HomeAssistant, server: ChatServer) -> None:
    """Variables that share a name with a template function can be called like it."""
    area = await place(hass, "light.kitchen_light", "Kitchen", "Upstairs")
    await set_up(
        hass,
        server,
        prompt="{{ areas() }} {{ floors() | length }} {{ area_name('light.kitchen_light') }} "
        "{{ area_id('light.kitchen_light') }} [{{ area_name }}] {{ states('light.kitchen_light') }}",
    )
    assert (await prompt_of(hass, server)).splitlines()[0] == f"['{area.id}'] 1 Kitchen {area.id} [] off"


async def test_the_template_of_prior_versions(hass: HomeAssistant, server: ChatServer) -> None:
    """The documented default prompt of home-llm renders, and nothing is added to it."""
    await place(hass, "light.kitchen_light", "Kitchen")
    await set_up(hass, server, prompt=PRIOR_TEMPLATE, tool_format="reduced")
    request = await ask(hass, server)
    prompt = request["messages"][0]["content"]
    assert '{"name":"light.turn_on","description":"' in prompt.replace(": ", ":")
    assert "switch.pump 'Pump' = off\n" in prompt
    assert "## Area: Kitchen\n" in prompt
    assert "turn on the Bedroom Light\nTurning on the Bedroom Light.\n<functioncall>" in prompt.replace(
        "Kitchen", "Bedroom"
    )
    assert prompt.count("switch.pump 'Pump'") == 1
    # Its examples are in it, and so not before the conversation.
    assert [message["role"] for message in request["messages"]] == ["system", "user"]


async def test_names_are_never_templates(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """A device, an area or a sentence that looks like a template is told as it is."""
    evil = "{{ 7 * 6 }}{% endraw %}{{ states('light.safe_light') }}"
    er.async_get(hass).async_update_entity("light.kitchen_light", name=evil)
    await hass.async_block_till_done()
    prompt = await prompt_of(hass, server, extra_system_prompt="{{ 7 * 6 }}")
    assert "{{ 7 * 6 }}{% endraw %}" in prompt
    assert prompt.endswith("{{ 7 * 6 }}")
    assert "42" not in prompt


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ 1 / 0 }}", "division by zero"),
        ("{% if %}", "Expected an expression"),
        ("{{ states.light.x.y.z }}", "has no attribute 'y'"),
        ("{{ 'a' | no_such_filter }}", "no_such_filter"),
    ],
)
async def test_a_template_that_fails(hass: HomeAssistant, server: ChatServer, template: str, words: str) -> None:
    """The mistake is said in the speaker's language, and the server is not asked."""
    await set_up(hass, server, prompt=template)
    result = await say(hass, language="de")
    assert result.response.error_code is not None
    assert speech(result).startswith("In meinen Anweisungen ist ein Fehler: ")
    assert words in speech(result)
    assert server.requests == []


@pytest.mark.parametrize("persona", ["al", "blackbeard", "robo"])
@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "pl"])
async def test_personas(hass: HomeAssistant, server: ChatServer, persona: str, language: str) -> None:
    """Each persona speaks to the model in the speaker's language, and examples are in that language too."""
    await set_up(hass, server, persona=persona)
    request = await ask(hass, server, language=language)
    text = persona_text(Persona(persona), language)
    assert text
    assert request["messages"][0]["content"].startswith(f"{text}\nServices: ")
    wanted = {"en": "turn on the ", "de": "Schalte ", "es": "Enciende ", "fr": "Allume ", "pl": "Włącz "}[language]
    assert any(message["content"].startswith(wanted) for message in request["messages"][1:])


async def test_a_language_that_we_do_not_have(hass: HomeAssistant, server: ChatServer) -> None:
    """The prompt is English then, and a language can be fixed."""
    entry = await set_up(hass, server)
    prompt = await prompt_of(hass, server, language="nl")
    assert prompt.startswith(persona_text(Persona.AL, "en"))
    subentry = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(entry, subentry, data={**subentry.data, "prompt_language": "fr"})
    await hass.async_block_till_done()
    assert (await prompt_of(hass, server, language="nl")).startswith(persona_text(Persona.AL, "fr"))


async def test_the_number_of_examples(hass: HomeAssistant, server: ChatServer) -> None:
    """As many as are wanted: here two, a question and a command."""
    await set_up(hass, server, examples=2)
    messages = (await ask(hass, server))["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]


async def test_nothing_changes_while_nothing_changes(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer, freezer: FrozenDateTimeFactory
) -> None:
    """Two requests at different times are the same byte for byte, and a further turn only adds to them."""
    first = await ask(hass, server)
    freezer.tick(90_000)
    assert await ask(hass, server) == first
    server.script([answer("One."), answer("Two.")])
    result = await say(hass, "one")
    await say(hass, "two", conversation_id=result.conversation_id)
    before, after = (request["messages"] for request in server.requests[-2:])
    assert after[: len(before)] == before


async def test_a_changed_state_changes_only_what_follows_it(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """Instructions, services, and all that does not change by itself stay as they were."""
    before = await prompt_of(hass, server)
    hass.states.async_set("sensor.outside", "13.5", hass.states.get("sensor.outside").attributes)  # type: ignore[union-attr]
    after = await prompt_of(hass, server)
    assert before != after
    same = before[: shared(before, after)]
    assert same.endswith("switch.pump 'Pump' = off\nsensor.outside 'Outside Temperature' = 1")


async def test_the_time_comes_last(hass: HomeAssistant, server: ChatServer, freezer: FrozenDateTimeFactory) -> None:
    """Who wants the time in the prompt gets it behind everything else, to the minute."""
    freezer.move_to("2026-11-20T14:05:10+00:00")
    await hass.config.async_set_time_zone("UTC")
    await set_up(hass, server, tell_time=True)
    before = await prompt_of(hass, server)
    assert before.endswith("\nIt is Friday, 2026-11-20, 14:05.")
    assert (await prompt_of(hass, server, language="de")).endswith("\nEs ist Freitag, 2026-11-20, 14:05 Uhr.")
    freezer.tick(60)
    after = await prompt_of(hass, server)
    assert shared(before, after) == len(before) - 2


async def test_the_area_of_the_speaker(hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer) -> None:
    """A satellite's area is told behind the devices, or where a template wants it."""
    satellite = dr.async_get(hass).async_get_or_create(config_entry_id=entry.entry_id, identifiers={("test", "sat")})
    area = ar.async_get(hass).async_create("Den")
    dr.async_get(hass).async_update_device(satellite.id, area_id=area.id)
    prompt = await prompt_of(hass, server, device_id=satellite.id)
    assert prompt.endswith("sensor.outside 'Outside Temperature' = 12.5 °C\nThe user is in this area: Den.")
    assert "Den" not in await prompt_of(hass, server)
    subentry = next(iter(entry.subentries.values()))
    data = {**subentry.data, "prompt": "{% if area_name %}In {{ area_name }} ({{ area_id }}).{% endif %}"}
    hass.config_entries.async_update_subentry(entry, subentry, data=data)
    await hass.async_block_till_done()
    prompt = await prompt_of(hass, server, device_id=satellite.id)
    assert prompt.startswith(f"In Den ({area.id}).\nServices")
    assert prompt.count("Den") == 1


async def test_states_are_those_of_now_in_every_turn(
    hass: HomeAssistant, entry: MockConfigEntry, server: ChatServer
) -> None:
    """A later turn of a conversation is told what the first one changed."""
    server.script([answer(call("light.turn_on", KITCHEN), "It is on."), answer("Yes.")])
    result = await say(hass)
    await say(hass, "is it on?", conversation_id=result.conversation_id)
    prompts = [request["messages"][0]["content"] for request in server.requests]
    assert "'Kitchen Light' = off" in prompts[0]
    assert "'Kitchen Light' = on" in prompts[1]


async def test_a_house_that_does_not_fit(hass: HomeAssistant, server: ChatServer) -> None:
    """The prompt fits the context, what is named is in it, and the user is told for as long as that is so."""
    for number in range(200):
        entity_id = f"switch.plug_{number}"
        hass.states.async_set(entity_id, "off", {"friendly_name": f"Plug {number} of the long corridor"})
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    entry = await set_up(hass, server)
    request = await ask(hass, server, "turn on plug 199")
    prompt = request["messages"][0]["content"]
    assert len(prompt) < 2048 * 3
    assert "switch.plug_199" in prompt.splitlines()[-1]
    entities = request["tools"][2]["function"]["parameters"]["properties"]["entity_id"]["enum"]
    assert "switch.plug_199" in entities
    assert len(entities) < 100
    again = (await ask(hass, server, "turn off plug 150"))["messages"][0]["content"]
    assert again.splitlines()[:-2] == prompt.splitlines()[: len(again.splitlines()) - 2]

    (issue,) = [issue for issue in ir.async_get(hass).issues.values() if issue.translation_key == "house_too_big"]
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["total"] == "205"
    subentry = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(entry, subentry, data={**subentry.data, "house_tokens": 100_000})
    await hass.async_block_till_done()
    assert not [issue for issue in ir.async_get(hass).issues.values() if issue.translation_key == "house_too_big"]
    assert "switch.plug_77" in await prompt_of(hass, server)
    assert not [issue for issue in ir.async_get(hass).issues.values() if issue.translation_key == "house_too_big"]


async def test_what_was_spoken_about_stays(hass: HomeAssistant, server: ChatServer) -> None:
    """In a large house a device that was used is still known when it is only called it."""
    calls = async_mock_service(hass, "switch", "turn_on")
    for number in range(200):
        entity_id = f"switch.plug_{number}"
        hass.states.async_set(entity_id, "off", {"friendly_name": f"Plug {number} of the long corridor"})
        async_expose_entity(hass, "conversation", entity_id, should_expose=True)
    await set_up(hass, server)
    plug = {"entity_id": "switch.plug_199"}
    server.script([answer(call("switch.turn_on", plug), "On."), answer("Hm."), answer("Hm."), answer("Hm.")])
    await say(hass, "turn on plug 199")
    assert [item.data for item in calls] == [plug]
    for text in ("never mind", "make it brighter", "and off again"):
        await say(hass, text)
    assert all("switch.plug_199 " in request["messages"][0]["content"] for request in server.requests)


async def test_tools_in_the_prompt(hass: HomeAssistant, server: ChatServer) -> None:
    """A model that reads Assist's tools from the prompt gets them there, with examples, and not a second time."""
    await set_up(hass, server, tool_mode="assist", llm_hass_api=["assist"], tool_format=ToolFormat.MINIMAL.value)
    request = await ask(hass, server)
    system, question, reply, *_ = request["messages"]
    assert "\nTools: " in system["content"]
    assert "HassTurnOn(name,area,floor,domain,device_class) - " in system["content"]
    assert request["home_llm"]["render_tools"] is False
    assert request["home_llm"]["tool_markup"] == "functioncall"
    assert request["home_llm"]["allowed_values"]["name"]
    assert request["tools"]
    assert question["content"] == "what is the Outside Temperature?"
    assert reply["content"] == "The Outside Temperature is 12.5 °C."
    assert {
        "role": "assistant",
        "content": "Turning on the Bedroom Light.\n"
        '<functioncall> {"name": "HassTurnOn", "arguments": {"name": "Bedroom Light"}}',
    } in request["messages"]


async def test_assist_as_home_assistant_has_it(hass: HomeAssistant, server: ChatServer) -> None:
    """By itself an agent with Assist has Home Assistant's own words, tools and no examples."""
    await set_up(hass, server, tool_mode="assist", llm_hass_api=["assist"])
    request = await ask(hass, server)
    assert request["messages"][0]["content"].startswith("You are a voice assistant for Home Assistant.\n")
    assert "Static Context" in request["messages"][0]["content"]
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert "tool_markup" not in request["home_llm"]


async def test_assist_with_devices_in_the_template(hass: HomeAssistant, server: ChatServer) -> None:
    """A template that lists the devices itself takes the place of Assist's list, and can keep its rules."""
    await set_up(hass, server, tool_mode="assist", llm_hass_api=["assist"], prompt="Devices:\n{{ formatted_devices }}")
    prompt = await prompt_of(hass, server)
    assert "light.kitchen_light 'Kitchen Light' = off" in prompt
    assert "Static Context" not in prompt


@pytest.mark.parametrize(("thinking", "sent"), [(None, None), (True, True), (False, False)])
async def test_thinking(hass: HomeAssistant, server: ChatServer, thinking: bool | None, sent: bool | None) -> None:
    """Whether the model thinks is told to its chat template, and nothing is told where nobody decided."""
    await set_up(hass, server, **({} if thinking is None else {"thinking": thinking}))
    request = await ask(hass, server)
    assert request.get("chat_template_kwargs", {}).get("enable_thinking") is sent
