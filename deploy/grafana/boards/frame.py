"""A dashboard around its panels: variables, rows, and the place of each panel, from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from boards.parts import SOURCE, Json

WIDTH = 24  # Grafana's grid


def variable(name: str, label: str, values: str, *, several: bool = True) -> Json:
    """A variable whose values are those of a label: `label_values(series, label)`."""
    made: Json = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": values, "refId": name},
        "definition": values,
        "refresh": 2,
        "sort": 5,
        "multi": several,
        "includeAll": several,
        "hide": 0,
    }
    if several:
        # A check without a service has no such label: only a pattern that matches nothing at all finds it.
        made |= {"allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return made


SERVICE = variable("service", "Service", "label_values(probe_check_info, service)")
DATASOURCE: Json = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
    "current": {"text": "Prometheus", "value": "prometheus"},
}


def row(title: str, *panels: Json) -> list[Json]:
    """A titled row and what is in it."""
    head = {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"w": WIDTH, "h": 1, "x": 0, "y": 0},
    }
    return [head, *panels]


def dashboard(uid: str, title: str, about: str, rows: Iterable[list[Json]], variables: Sequence[Json]) -> Json:
    """A whole dashboard; panels get their place and number."""
    panels = [one for line in rows for one in line]
    _lay_out(panels)
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["probe"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Probe",
                "tags": ["probe"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": [DATASOURCE, *variables]},
        "panels": panels,
    }


def _lay_out(panels: Sequence[Json]) -> None:
    x = y = height = 0
    for number, one in enumerate(panels, start=1):
        place = one["gridPos"]
        if x + place["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        place |= {"x": x, "y": y}
        one["id"] = number
        x, height = x + place["w"], max(height, place["h"])
