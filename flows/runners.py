"""Task runners, chosen when a flow is called."""

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from perturb.errors import UserError
from perturb.pipeline.work import die_with_parent


def make_runner(text: str) -> TaskRunner:
    """A runner from `thread:N` or `process:N`.

    Raises:
        UserError: the text is neither.

    """
    kind, _, number = text.partition(":")
    if kind not in ("thread", "process") or not number.isdigit() or int(number) < 1:
        raise UserError(f"--runner must be thread:N or process:N with N at least 1, got {text}.")
    if kind == "thread":
        return ThreadPoolTaskRunner(max_workers=int(number))
    return ProcessPoolTaskRunner(max_workers=int(number), initializer=die_with_parent)
