"""What a training tells: lines of progress with the time left, a log as JSON lines, and curves."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import TrainingError

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Journal:
    """The log of a run; silent in all processes but the first.

    Attributes:
        folder: of the run.
        active: whether this process writes.
        board: a SummaryWriter of TensorBoard that gets the numbers too, or None.
        begun: by time.monotonic(), when the first step began.
    """

    folder: Path
    active: bool = True
    board: Any = None
    begun: float = field(default_factory=time.monotonic)
    _since: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> Path:
        """Return the file of the log."""
        return self.folder / "log.jsonl"

    def forget_after(self, step: int) -> None:
        """Drop what an interrupted run logged beyond the step at which it is resumed."""
        if self.active and self.path.exists():
            kept = [line for line in self.path.read_text().splitlines() if json.loads(line).get("step", 0) <= step]
            self.path.write_text("".join(f"{line}\n" for line in kept))

    def write(self, **values: Any) -> None:
        """Write a line of the log."""
        if not self.active:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(values) + "\n")
        if self.board is not None:
            tested = {
                f"{name}/{key}": value for name in ("test", "more") for key, value in values.get(name, {}).items()
            }
            for name, value in {**values, **tested}.items():
                if isinstance(value, (int, float)) and name != "step":
                    self.board.add_scalar(name, value, values["step"])
            self.board.flush()

    def progress(self, *, step: int, steps: int, done: float, loss: float, rate: float, speed: float) -> None:
        """Tell and log how far training is.

        Args:
            step: steps that are done.
            steps: all of them, as far as is known.
            done: how much is done, from 0 to 1.
            loss: mean of the tokens learned since the last line.
            rate: the learning rate.
            speed: tokens a second, padding not counted.
        """
        elapsed = time.monotonic() - self.begun
        self.write(step=step, loss=round(loss, 5), rate=rate, tokens_per_second=round(speed), seconds=round(elapsed, 1))
        if self.active:
            left = (time.monotonic() - self._since) * (1 - done) / self._part(done) if self._part(done) else 0.0
            _LOGGER.info(
                "step %d of %d (%.1f %%)  loss %.4f  rate %.2e  %.0f tokens/s  %s left",
                step, steps, 100 * done, loss, rate, speed, _clock(left),
            )  # fmt: skip

    _resumed_at: float = 0.0

    def resume_at(self, done: float) -> None:
        """Begin the clock where a part is done already."""
        self.begun = self._since = time.monotonic()
        self._resumed_at = done

    def _part(self, done: float) -> float:
        return max(0.0, done - self._resumed_at)

    def draw(self) -> Path | None:
        """Draw the curves of the log as a PNG; None where matplotlib is not there or nothing is logged."""
        if not self.active or not self.path.exists():
            return None
        try:
            import matplotlib as mpl  # noqa: PLC0415 - slow, and not on every machine that trains
        except ImportError:
            _LOGGER.warning("no curves are drawn: matplotlib is not installed")
            return None
        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415

        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        figure, (upper, lower) = plt.subplots(2, 1, figsize=(9, 8), sharex=True)
        trained = [line for line in lines if "rate" in line]
        tested = [line for line in lines if "test" in line]
        upper.plot([line["step"] for line in trained], [line["loss"] for line in trained], label="training")
        upper.plot([line["step"] for line in tested], [line["test"]["loss"] for line in tested], "o-", label="test")
        upper.set_yscale("log")
        upper.set_ylabel("loss a token")
        upper.legend()
        for name in ("exact", "calls"):
            lower.plot(
                [line["step"] for line in tested], [100 * line["test"][name] for line in tested], "o-", label=name
            )
        lower.set_ylabel("right answers, %")
        lower.set_xlabel("step")
        lower.legend()
        path = self.folder / "curves.png"
        figure.tight_layout()
        figure.savefig(path, dpi=100)
        plt.close(figure)
        return path


def open_board(folder: Path) -> Any:
    """Return a writer of TensorBoard's events in a run's folder.

    Raises:
        TrainingError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an extra that few have
    except ImportError as error:
        raise TrainingError("--run_tensorboard needs the package tensorboard: pip install tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
