"""Command a simulated house, without Home Assistant."""

from argparse import ArgumentParser, Namespace

from home_llm.chat import RequestError
from home_llm.chat.markups import MARKUPS
from home_llm.cli.local import local_chat
from home_llm.cli.logs import set_up_logging
from home_llm.demo import House, take_turn
from home_llm.models import ModelError
from home_llm.settings import load


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own flags."""
    parser.add_argument("words", nargs="*", metavar="COMMAND", help='such as "turn on the kitchen light"')
    parser.add_argument("--list", action="store_true", help="show the house and stop")


def run(arguments: Namespace) -> int:
    """Do one command; return 0."""
    settings = load(arguments)
    set_up_logging("warning" if settings.log_level == "info" else settings.log_level)
    house = House()
    command = " ".join(arguments.words).strip()
    if arguments.list:
        _show(house)
        return 0
    if not command:
        raise ModelError('Say what the house should do: home-llm demo "turn on the kitchen light".')
    before = {device.entity_id: device.shown_state for device in house.devices.values()}
    print("Before:")
    _show(house)
    with local_chat(settings) as chat:
        print(f"\nYou:   {command}")
        try:
            turn = take_turn(chat, house, command)
        except RequestError as error:
            raise ModelError(str(error)) from error
        print(f"Reply: {turn.reply.strip() or '(nothing said)'}")
        made = MARKUPS["home"].write_calls(turn.calls, ()).splitlines()
        for call in made or ["none"]:
            print(f"Call:  {call}")
        if turn.finish is not None:
            times = turn.finish.timings
            print(
                f"       {times.prompt_n} prompt tokens in {times.prompt_ms / 1000:.2f} s, "
                f"{times.predicted_n} generated in {times.predicted_ms / 1000:.2f} s"
            )
    print("\nAfter:")
    _show(house, before)
    return 0


def _show(house: House, before: dict[str, str] | None = None) -> None:
    """Print the house by area; what differs from `before` is marked."""
    for area in dict.fromkeys(device.area for device in house.devices.values()):
        print(f"  {area}")
        for device in house.devices.values():
            if device.area == area:
                changed = before is not None and before[device.entity_id] != device.shown_state
                mark = f"   <- was {before[device.entity_id]}" if before and changed else ""
                print(f"    {device.entity_id:<30} {device.name:<22} {device.shown_state}{mark}")
