"""Examples of commands for the prompt, from CSV files, on devices of the house.

Free of Home Assistant. A file has the columns type, request, tool and response:

    light,set the <name> to <brightness> percent,light.turn_on,Setting the <name> to <brightness> percent.

`type` is the domain of the device, or `area` for all that can in an area; `tool` is a home service, or empty for a
question that is answered with the state.
`<name>`, `<area>` and `<state>` are those of the device. Any other placeholder is an argument of the service, filled
with a value that the device takes, in the unit that people say: `<temperature=19|66>` takes the first of these values
that the device takes, `<temperature>` a usual one. `<duration=5 minutes~5 Minuten>` is said in other words than it is
called. The same house always gives the same examples.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .home_format import Example, clean, render_call, render_device
from .service_catalogue import CATALOGUE, ArgumentError, Device, Parameter, Service, group_members, plain_number

# A question, six commands, and one about an area.
DEFAULT_EXAMPLES = 8
MAX_EXAMPLES = 16
MAX_FILE_BYTES = 256 * 1024
FEW = 2
AREA = "area"
COLUMNS = ("type", "request", "tool", "response")

_PLACEHOLDER = re.compile(r"<([a-z_]+)(?:=([^<>]*))?>")
_OF_THE_DEVICE = frozenset({"name", "area", "state"})
# What examples ask for, the first value that the device takes. Temperatures are Celsius and Fahrenheit.
_VALUES: Mapping[str, tuple[float | str, ...]] = {
    "brightness": (40,),
    "temperature": (21, 70),
    "percentage": (50,),
    "position": (50,),
    "volume": (30,),
    "humidity": (50,),
}


class ExamplesError(ValueError):
    """A file of examples cannot be used."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file of examples."""

    domain: str
    request: str
    service: str | None
    response: str

    @property
    def placeholders(self) -> set[str]:
        """Return what is filled in."""
        return {name for name, _values in _PLACEHOLDER.findall(self.request + self.response)}

    def values(self, argument: str) -> tuple[float | str, ...]:
        """Return what an argument may be in this example, the best first."""
        written = [values for name, values in _PLACEHOLDER.findall(self.request + self.response) if name == argument]
        values = next(filter(None, written), "")
        return (
            tuple(_value(value.partition("~")[0]) for value in values.split("|"))
            if values
            else _VALUES.get(argument, ())
        )

    def shown(self, argument: str, value: float | str) -> float | str:
        """Return how a value is said where a file tells another word for it."""
        written = [values for name, values in _PLACEHOLDER.findall(self.request + self.response) if name == argument]
        said = dict(item.partition("~")[::2] for values in written for item in values.split("|"))
        return said.get(str(value)) or value


@dataclass(frozen=True, slots=True)
class HouseExample:
    """An example on a device of this house."""

    # None where all in an area is meant.
    device: Device | None
    request: str
    service: Service | None
    arguments: Mapping[str, Any]
    response: str

    @property
    def as_call(self) -> Example:
        """Return the example in the compact home format."""
        call = render_call(self.service, self.arguments) if self.service else None
        return Example(self.request, call, self.response)


def shipped_file(language: str) -> Path:
    """Return the examples of ours in a language."""
    return Path(__file__).parent / "examples" / f"{language}.csv"


def read_examples(path: Path) -> list[Row]:
    """Read a file of examples; blocks.

    Raises:
        ExamplesError: it cannot be read, or a line makes no sense. The message names the line.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise ExamplesError(f"{path.name}: {err}") from err
    if len(data) > MAX_FILE_BYTES:
        raise ExamplesError(f"{path.name} has more than {MAX_FILE_BYTES // 1024} KiB")
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
        raise ExamplesError(f"{path.name}: the first line has no column {missing[0]}; it needs {', '.join(COLUMNS)}")
    rows = []
    for fields in reader:
        values = [(fields.get(column) or "").strip() for column in COLUMNS]
        if not any(values):
            continue
        row = Row(values[0], values[1], values[2] or None, values[3])
        if reason := _fault(row):
            raise ExamplesError(f"{path.name}, line {reader.line_num}: {reason}")
        rows.append(row)
    return rows


def build_examples(devices: Iterable[Device], rows: Sequence[Row], limit: int) -> list[HouseExample]:
    """Return up to so many examples about devices of this house, the same ones for the same house.

    Questions come first: after one, a small model would answer commands with words alone. The domains follow in the
    order of the file, one row of each and then the next, and each row is about another device, so that no device
    looks like the usual answer.
    """
    devices = sorted(devices, key=lambda device: device.entity_id)
    questions = [example for row in rows if row.service is None and (example := _question(row, devices))][:1]
    groups = [example for row in rows if row.domain == AREA and (example := _group(row, devices))][:1]
    by_domain: dict[str, list[Row]] = {}
    for row in rows:
        if row.service is not None and row.domain != AREA:
            by_domain.setdefault(row.domain, []).append(row)
    commands: list[HouseExample] = []
    for turn in range(max(map(len, by_domain.values()), default=0)):
        for domain, domain_rows in by_domain.items():
            able = [device for device in devices if device.domain == domain]
            if turn >= len(domain_rows) or not able:
                continue
            start = turn % len(able)
            if example := _command(domain_rows[turn], able[start:] + able[:start]):
                commands.append(example)
    # The place of the one about an area stays empty where there is none.
    commands = commands[: max(0, limit - len(questions) - (limit > FEW))]
    if limit > FEW:
        # Not last: what is copied out of place should be one device, and not a room of them.
        commands[len(commands) // 2 : len(commands) // 2] = groups
    return (questions + commands)[:limit]


def _fault(row: Row) -> str | None:
    """Return what is wrong with a row."""
    if not row.domain or not row.request or not row.response:
        return "type, request and response must not be empty"
    if row.domain == AREA and (row.service is None or row.placeholders != {"area"}):
        return "an example about an area needs a tool, <area>, and nothing else to be filled in"
    wanted = row.placeholders - _OF_THE_DEVICE
    if row.service is None:
        return f"<{min(wanted)}> needs a tool" if wanted else None
    services = [service for service in CATALOGUE if service.name == row.service]
    if not services or (services[0].domain != row.domain and row.domain != AREA):
        return f"{row.service} is not a home service of {row.domain}"
    known = {parameter.name: parameter for parameter in services[0].parameters}
    if unknown := wanted - known.keys():
        return f"{row.service} does not take <{min(unknown)}>"
    if empty := [name for name in sorted(wanted) if known[name].kind != "choice" and not row.values(name)]:
        return f"<{empty[0]}> needs a value: <{empty[0]}=...>"
    required = {parameter.name for parameter in services[0].parameters if parameter.required}
    return f"{row.service} needs <{min(required - wanted)}>" if required - wanted else None


def _question(row: Row, devices: Sequence[Device]) -> HouseExample | None:
    """Return a question about the first device that has what it asks for."""
    for device in devices:
        if device.domain != row.domain or (device.area is None and "area" in row.placeholders):
            continue
        if state := render_device(device).partition("' = ")[2].split(";")[0]:
            words = {"name": clean(device.name), "area": clean(device.area or ""), "state": state}
            return HouseExample(device, _fill(row.request, words), None, {}, _fill(row.response, words))
    return None


def _command(row: Row, devices: Sequence[Device]) -> HouseExample | None:
    """Return a command on the first device that can follow it."""
    service = next(service for service in CATALOGUE if service.name == row.service)
    for device in devices:
        if not service.supported(device) or (device.area is None and "area" in row.placeholders):
            continue
        arguments: dict[str, Any] = {"entity_id": device.entity_id}
        for parameter in service.parameters:
            if parameter.name in row.placeholders and parameter.supported(device):
                value = _first(parameter, row.values(parameter.name), device)
                arguments |= {} if value is None else {parameter.name: value}
        if not row.placeholders - _OF_THE_DEVICE <= arguments.keys():
            continue
        told = {key: row.shown(key, value) for key, value in arguments.items()}
        words = {**told, "name": clean(device.name), "area": clean(device.area or "")}
        return HouseExample(device, _fill(row.request, words), service, arguments, _fill(row.response, words))
    return None


def _group(row: Row, devices: Sequence[Device]) -> HouseExample | None:
    """Return the command on the area with the most devices that can follow it."""
    service = next(service for service in CATALOGUE if service.name == row.service)
    areas = {group for device in devices for group in device.groups if group.target.startswith(f"{AREA}.")}
    able = [(group, len(group_members(service, group.target, devices))) for group in areas]
    able = sorted((item for item in able if item[1]), key=lambda item: (-item[1], item[0].target))
    if not able:
        return None
    group = able[0][0]
    words = {"area": clean(group.names[0])}
    arguments = {"entity_id": group.target}
    return HouseExample(None, _fill(row.request, words), service, arguments, _fill(row.response, words))


def _first(parameter: Parameter, values: Sequence[float | str], device: Device) -> float | str | None:
    """Return the first value that a device takes; of a choice, its own first one where none is given."""
    for value in values or parameter.choices(device):
        try:
            parameter.check(value, device)
        except ArgumentError:
            continue
        return value if isinstance(value, str) else plain_number(value)
    return None


def _value(text: str) -> float | str:
    """Return a value that is written in a file."""
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _fill(text: str, words: Mapping[str, Any]) -> str:
    """Return a text with its placeholders filled in."""
    return _PLACEHOLDER.sub(lambda found: str(words.get(found[1], found[0])), text)
