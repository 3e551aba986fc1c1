"""The smallest flow on a schedule: `perturb doctor --deep` sees whether it is ever run."""

from perturb_flows.environment import prepare

prepare()

from datetime import timedelta  # noqa: E402

from prefect import flow  # noqa: E402


@flow(name="perturb-doctor")
def beat() -> None:
    """Run a flow that does nothing, to see whether flows run."""


if __name__ == "__main__":
    beat.serve(name="trial", interval=timedelta(seconds=5), limit=1, print_starting_message=False)
