"""A minimal flow on a schedule: `perturb doctor --deep` checks whether it is ever run."""

from perturb_flows.environment import prepare

prepare()

from datetime import timedelta  # noqa: E402

from prefect import flow  # noqa: E402


@flow(name="perturb-doctor")
def beat() -> None:
    """Do nothing; the flow's completion shows that schedules fire."""


if __name__ == "__main__":
    beat.serve(name="trial", interval=timedelta(seconds=5), limit=1, print_starting_message=False)
