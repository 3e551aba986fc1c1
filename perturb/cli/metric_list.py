"""The table of metrics, for people to look at."""

from rich.table import Table

from perturb.config.metrics import MetricsConfig
from perturb.metrics import METRICS, Metric


def as_table() -> Table:
    """A row a metric: key, title and source; range with an arrow towards better; cost; settings and fast ones."""
    table = Table(show_lines=True)
    for header in ("metric", "range", "cost", "settings (fast)"):
        table.add_column(header, no_wrap=header != "metric")
    for name, metric in METRICS.items():
        described = f"[bold]{name}[/bold]\n{metric.title}\n{metric.source}"
        table.add_row(described, _range(metric), metric.cost, _settings(name, metric))
    return table


def _range(metric: Metric) -> str:
    low, high = metric.range
    return f"{low:g} to {'∞' if high is None else f'{high:g}'} {'↑' if metric.higher_is_better else '↓'}"


def _settings(name: str, metric: Metric) -> str:
    default, fast = (settings.model_dump() for settings in (getattr(MetricsConfig(), name), metric.fast))
    cheaper = {key: f" ({_short(fast[key])})" for key in default if fast[key] != default[key]}
    return "\n".join(f"{key} {_short(value)}{cheaper.get(key, '')}" for key, value in default.items())


def _short(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
