"""What dashboards are made of: queries and panels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}

GREEN, ORANGE, RED, GREY, BLUE = "green", "orange", "red", "#8e8e8e", "blue"
LEVELS = {0: ("UNKNOWN", GREY), 1: ("UP", GREEN), 2: ("DEGRADED", ORANGE), 3: ("DOWN", RED)}
LEVEL_MAPPING = [
    {
        "type": "value",
        "options": {
            str(level): {"text": name, "color": colour, "index": level} for level, (name, colour) in LEVELS.items()
        },
    }
]


def query(expr: str, legend: str = "", *, instant: bool = False, table: bool = False, heatmap: bool = False) -> Json:
    """One PromQL query of a panel; `add` gives it its letter."""
    form = "table" if table else "heatmap" if heatmap else "time_series"
    return {
        "datasource": SOURCE,
        "expr": expr,
        "legendFormat": legend or "__auto",
        "format": form,
        "instant": instant or table,
        "range": not (instant or table),
    }


def steps(*limits: tuple[float | None, str]) -> Json:
    """Thresholds: the colour from each limit on; the first limit is None."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in limits]}


def counted(metric: str, of: str = "", *, by: str = "") -> str:
    """How much a counter grew in each step of a graph."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (increase({metric}{of}[$__rate_interval]))"


def quantiles(metric: str, of: str = "", levels: Iterable[float] = (0.5, 0.95, 0.99)) -> list[Json]:
    """Percentiles of a histogram, each a line: of the buckets of everything that is selected."""
    buckets = f"sum by (le) (rate({metric}_bucket{of}[$__rate_interval]))"
    return [query(f"histogram_quantile({level}, {buckets})", f"p{level * 100:g}") for level in levels]


def panel(
    kind: str,
    title: str,
    queries: Sequence[Json],
    *,
    size: tuple[int, int],
    unit: str = "short",
    about: str = "",
    defaults: Json | None = None,
    options: Json | None = None,
    more: Json | None = None,
) -> Json:
    """Any panel. `size` is its width of 24 and its height."""
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"w": size[0], "h": size[1], "x": 0, "y": 0},
        "targets": [{**one, "refId": chr(ord("A") + index)} for index, one in enumerate(queries)],
        "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})}, "overrides": []},
        "options": options or {},
        **(more or {}),
    }


def stat(
    title: str, expr: str, *, width: int = 4, unit: str = "short", colours: Json | None = None, **more: Any
) -> Json:
    """One number, now."""
    defaults = {"thresholds": colours or steps((None, BLUE)), **more.pop("defaults", {})}
    options = {
        "colorMode": "background" if colours else "value",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": more.pop("text", "auto"),
    }
    queries = [query(expr, more.pop("legend", ""), instant=True)]
    return panel(
        "stat",
        title,
        queries,
        size=(width, 4),
        unit=unit,
        about=more.get("about", ""),
        defaults=defaults,
        options=options,
    )


def graph(
    title: str,
    queries: Sequence[Json],
    *,
    width: int = 12,
    unit: str = "s",
    about: str = "",
    stacked: bool = False,
    bars: bool = False,
    colours: Json | None = None,
    limit: tuple[float | None, float | None] = (0, None),
) -> Json:
    """Lines over time, or stacked areas or bars."""
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars else 30 if stacked else 5,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    defaults: Json = {"custom": custom}
    if limit[0] is not None:
        defaults["min"] = limit[0]
    if limit[1] is not None:
        defaults["max"] = limit[1]
    if colours:
        defaults["thresholds"] = colours
        custom["thresholdsStyle"] = {"mode": "dashed"}
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "showLegend": True,
            "calcs": ["mean", "max", "lastNotNull"],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel(
        "timeseries", title, queries, size=(width, 8), unit=unit, about=about, defaults=defaults, options=options
    )


def heatmap(title: str, metric: str, of: str, *, about: str = "") -> Json:
    """A histogram over time: the darker, the more."""
    options = {
        "calculate": False,
        "yAxis": {"unit": "s"},
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": False},
    }
    buckets = query(counted(f"{metric}_bucket", of, by="le"), "{{le}}", heatmap=True)
    return panel("heatmap", title, [buckets], size=(12, 8), unit="s", about=about, options=options)


def table(
    title: str,
    columns: Sequence[tuple[str, str, Json]],
    *,
    width: int = 24,
    height: int = 9,
    about: str = "",
    sort: str = "",
    descending: bool = True,
    link: tuple[str, str] | None = None,
) -> Json:
    """A row per check or service. A column is a name, an instant query, and how its numbers are shown."""
    queries = [query(expr, table=True) for _, expr, _ in columns]
    # One query's column is called Value, those of several Value #A, Value #B, ...
    names = [f"Value #{chr(ord('A') + index)}" for index in range(len(columns))] if len(columns) > 1 else ["Value"]
    renamed = {old: name for old, (name, _, _) in zip(names, columns, strict=True)}
    overrides = [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": key, "value": value} for key, value in shown.items()],
        }
        for name, _, shown in columns
    ]
    if link:
        column, url = link
        target = {"title": "Look closer", "url": url}
        overrides.append(
            {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "links", "value": [target]}]}
        )
    made = panel("table", title, queries, size=(width, height), about=about)
    made["fieldConfig"]["overrides"] = overrides
    made["options"] = {"showHeader": True, "sortBy": [{"displayName": sort, "desc": descending}] if sort else []}
    made["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": renamed}},
    ]
    return made


def shown(unit: str, *, colours: Json | None = None, decimals: int | None = None, mapping: bool = False) -> Json:
    """How a table's column shows its numbers."""
    how: Json = {"unit": unit}
    if decimals is not None:
        how["decimals"] = decimals
    if colours:
        how["thresholds"] = colours
        how["custom.cellOptions"] = {"type": "color-text"}
    if mapping:
        how["mappings"] = LEVEL_MAPPING
        how["custom.cellOptions"] = {"type": "color-background"}
    return how
