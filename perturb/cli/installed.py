"""Commands that `perturb[flows]` adds: found through entry points, since perturb itself never imports Prefect."""

from collections.abc import Callable
from importlib.metadata import entry_points

from perturb.errors import UserError

GROUP = "perturb.flows"


def from_flows(name: str) -> Callable:
    """`run`, `serve` or `check` of the flows.

    Raises:
        UserError: they, or something that they need, are not installed.

    """
    for found in entry_points(group=GROUP, name=name):
        try:
            return found.load()
        except ModuleNotFoundError as error:
            package = (error.name or str(error)).partition(".")[0]
            raise UserError(
                f"{package} is not installed: `pip install 'perturb[flows]'` adds it; `perturb run` without --prefect "
                "and --runner does without it."
            ) from None
    raise UserError("the flows are not installed; reinstall perturb with `pip install 'perturb[flows]'`.")
