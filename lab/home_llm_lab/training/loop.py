"""The loop: steps with gradients, checkpoints, evaluations, and less at once when memory does not suffice."""

from __future__ import annotations

import contextlib
import gc
import logging
import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from accelerate import Accelerator

from .arguments import Arguments
from .bucket import Bucket
from .checkpoint import Place, save_checkpoint
from .dataset import Dataset
from .errors import TrainingError
from .evaluation import Scores, evaluate
from .journal import Journal
from .schedule import Schedule
from .supply import Step, Supply, evaluation_batches, evaluation_rows

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Loop:
    """A training as far as it is.

    Attributes:
        arguments: the flags.
        accelerator: of accelerate.
        learner: prepared; takes a batch, returns the sum of the losses and which targets are right.
        model: with its adapter, as it is saved.
        optimizer: prepared.
        supply: of training data.
        tests: data to evaluate on.
        schedule: of the learning rate.
        journal: of the run.
        place: where it is.
        active_parameters: how many weights a token goes through, to tell FLOP/s.
        bucket: where checkpoints are copied to, or None.
    """

    arguments: Arguments
    accelerator: Accelerator
    learner: Any
    model: torch.nn.Module
    optimizer: Any
    supply: Supply
    tests: list[Dataset]
    schedule: Schedule
    journal: Journal
    place: Place
    active_parameters: int = 0
    bucket: Bucket | None = None
    # Since the last line of progress.
    _loss: torch.Tensor | None = None
    _learned: int = 0
    _used: int = 0
    _since: float = field(default_factory=time.monotonic)
    _evaluated: bool = False

    def run(self) -> Scores | None:
        """Train to the end and return the last scores, None where there is nothing to evaluate on."""
        self.journal.resume_at(self.place.progress)
        self.learner.train()
        while not self._finished():
            for step in self.supply.epoch(self.place.epoch, self.place.in_epoch):
                rate = self.schedule.rate_at(self.place.step, self.place.progress)
                self._step(step, rate)
                place = replace(self.place, step=self.place.step + 1, in_epoch=self.place.in_epoch + 1)
                self.place = replace(place, progress=self._progress(place.step))
                if self._finished() or self.place.step % self.arguments.logging_steps == 0:
                    self._tell(rate)
                if self._finished():
                    break
                self._now_and_then()
            else:
                self.place = replace(self.place, epoch=self.place.epoch + 1, in_epoch=0)
                if self.arguments.save_steps == -1 and not self._finished():
                    self._save()
        return self._evaluate(whole=True)

    def _finished(self) -> bool:
        most = self.arguments.max_steps
        return self.place.progress >= 1 or bool(most and self.place.step >= most)

    def _progress(self, step: int) -> float:
        done = self.schedule.progress(step)
        if self.accelerator.num_processes == 1 or self.schedule.seconds is None:
            return done
        # By the clock of the first, so that all end with the same step.
        told = torch.tensor([done], device=self.accelerator.device)
        torch.distributed.broadcast(told, 0)
        return float(told)

    def _step(self, step: Step, rate: float) -> None:
        while True:
            try:
                loss = self._gradients(step)
                break
            except torch.OutOfMemoryError as error:
                self._less(error)
        clip = self.arguments.gradient_clip
        if clip:
            self.accelerator.clip_grad_norm_(self.learner.parameters(), clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._loss = loss if self._loss is None else self._loss + loss
        self._learned += step.learned
        self._used += sum(tree.size for row in step.rows for tree in row)

    def _gradients(self, step: Step) -> torch.Tensor:
        """Return the sum of the losses of this process's part, and leave the gradients of the mean of all."""
        batches = step.batches
        if any(len(batch.tokens) > self.supply.micro for batch in batches):
            batches = self.supply.batches(step.rows)
        total = torch.zeros((), device=self.accelerator.device)
        scale = self.accelerator.num_processes / max(1, step.learned)
        for index, made in enumerate(batches):
            last = index == len(batches) - 1
            batch = made.to(self.accelerator.device)
            with self.accelerator.no_sync(self.learner) if not last else contextlib.nullcontext():
                loss, _ = self.learner(batch)
                self.accelerator.backward(loss * scale)
            total += loss.detach()
        return total

    def _less(self, error: Exception) -> None:
        """Make batches smaller.

        Raises:
            TrainingError: they have one row already, or other processes would wait for this one.
        """
        if self.accelerator.num_processes > 1:
            raise TrainingError(
                f"a GPU ran out of memory; start again with --micro_batch_size {max(1, self.supply.micro // 2)}"
            ) from error
        if self.supply.micro == 1:
            raise TrainingError(
                f"not even one row of {self.supply.ctx_size} tokens fits into memory; "
                "add --gradient_checkpointing, or lower --ctx_size"
            ) from error
        self.supply.micro //= 2
        _LOGGER.warning("out of memory: going on with --micro_batch_size %d", self.supply.micro)
        self.optimizer.zero_grad(set_to_none=True)
        # The traceback holds what was computed.
        error.__traceback__ = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _tell(self, rate: float) -> None:
        if self._loss is None:
            return
        numbers = torch.stack([self._loss, torch.tensor(float(self._used), device=self._loss.device)])
        loss, used = self.accelerator.reduce(numbers, "sum").tolist()
        seconds = time.monotonic() - self._since
        speed = used / seconds
        self.journal.progress(
            step=self.place.step,
            steps=self.schedule.steps,
            done=min(1.0, self.place.progress),
            loss=loss / max(1, self._learned),
            rate=rate,
            speed=speed,
        )
        if self.arguments.flops_baseline and self.journal.active:
            _LOGGER.info("%.1f %% of the device", 600 * self.active_parameters * speed / self.arguments.flops_baseline)
        self._forget()

    def _forget(self) -> None:
        self._loss, self._learned, self._used, self._since = None, 0, 0, time.monotonic()

    def _now_and_then(self) -> None:
        step, arguments = self.place.step, self.arguments
        if arguments.eval_steps and step % arguments.eval_steps == 0:
            self._evaluate()
        if arguments.save_steps > 0 and step % arguments.save_steps == 0:
            self._save()

    def _evaluate(self, *, whole: bool = False) -> Scores | None:
        if not self.tests:
            return None
        before = time.monotonic()
        most = self.arguments.final_eval_rows if whole else self.arguments.eval_rows
        scores = None
        read = left = 0
        for index, test in enumerate(self.tests):
            rows = evaluation_rows(test, self.supply, most)
            read += len(rows)
            left += len(rows) if whole else len(evaluation_rows(test, self.supply, self.arguments.final_eval_rows))
            found = evaluate(self.learner, evaluation_batches(rows, self.supply), self.accelerator)
            self.journal.write(
                step=self.place.step, name=test.name, **{"test" if index == 0 else "more": found.as_json()}
            )
            if self.journal.active:
                _LOGGER.info(
                    "%s: loss %.4f  exact %.1f %%  calls %.1f %%  of %d conversations",
                    test.name, found.loss, 100 * found.exact, 100 * found.calls, found.conversations,
                )  # fmt: skip
            scores = scores or found
        took = time.monotonic() - before
        # The last evaluation may read more rows than this one; the first takes its time, since it compiles.
        more = left / max(1, read) if self._evaluated else 1.0
        self.schedule.reserve = max(15.0, 10 + 1.2 * took * more)
        self._evaluated = True
        self._since += took
        return scores

    def _save(self) -> None:
        self.accelerator.wait_for_everyone()
        before = time.monotonic()
        if self.accelerator.is_main_process:
            keep = self.arguments.save_total_limit
            path = save_checkpoint(self.journal.folder, self.model, self.optimizer, self.place, keep)
            _LOGGER.info("saved %s", path)
            if self.bucket:
                self.bucket.put(path, inside=self.journal.folder.name)
        self.accelerator.wait_for_everyone()
        self._since += time.monotonic() - before
