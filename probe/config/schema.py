"""The JSON Schema of a configuration: every key, type and description, for editors to complete and check."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, create_model

from checks.core.units import Duration, format_duration
from probe.config.alerts import kinds_by_name, receiver_model
from probe.config.oncall_sections import EscalationSection, RotationSection, ScheduleSection, UserSection
from probe.config.plan import check_model, types_by_name
from probe.config.routing import RoutingSection
from probe.config.sections import Service, Settings
from probe.config.upkeep import MaintenanceSection
from probe.config.watch import Watch
from probe.config.watching import CHANGES, OWN_ROUTE, WATCH, ChangesSection

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DURATION = TypeAdapter(Duration).json_schema()["pattern"]
_FILLED_LATER = r"\{"  # `${env:NAME}` and the `{placeholders}` of for_each may stand for any text


@cache
def document_model() -> type[BaseModel]:
    """The whole document as one model: for its schema, and to find where a misplaced key belongs."""
    check, receiver = check_model(), receiver_model()
    alerts = create_model(
        "Alerts",
        __base__=RoutingSection,
        __doc__="Who is told, and of what.",
        receivers=(dict[str, receiver], Field({}, description="Receivers by name, each with one type.")),  # type: ignore[valid-type]
        fallback=(str | None, Field(None, description="The receiver that is told instead of any that is gone.")),
        self=(list[str], OWN_ROUTE),
    )
    return create_model(
        "Configuration",
        __base__=Settings,
        __doc__="Configuration of Probe. docs/config.md explains it.",
        include=(
            list[str],
            Field(
                [],
                description="Files, or patterns as in `checks.d/*.yml`, whose services, checks, maintenance, "
                "on-call and receivers are added.",
            ),
        ),
        services=(
            dict[str, Service | None],
            Field({}, description="What checks have in common, by the name of the service."),
        ),
        checks=(dict[str, check], Field({}, description="Checks by name, as in `shop/home`.")),  # type: ignore[valid-type]
        maintenance=(
            dict[str, MaintenanceSection],
            Field({}, description="Planned work by name: when it is, what it covers, and what follows from it."),
        ),
        users=(dict[str, UserSection], Field({}, description="People who can be on call, by name.")),
        rotations=(dict[str, RotationSection], Field({}, description="People who take turns, by name.")),
        schedules=(dict[str, ScheduleSection], Field({}, description="Who is on call and when, by name.")),
        escalations=(dict[str, EscalationSection], Field({}, description="Who is told next, by name.")),
        watch=(Watch, WATCH),
        changes=(ChangesSection, CHANGES),
        alerts=(alerts, Field(alerts(), description="Receivers of alerts, and the routes that lead to them.")),
    )


def json_schema() -> dict[str, Any]:
    """The schema of the whole document, draft 2020-12."""
    schema = document_model().model_json_schema()
    definitions = schema.pop("$defs")
    for definition in (schema, *definitions.values()):
        _tidy(definition, definitions)
    _one_of(definitions["Check"], list(types_by_name()))
    _one_of(definitions["Receiver"], list(kinds_by_name()))
    return {"$schema": _DIALECT, **schema, "$defs": definitions}


def _one_of(definition: dict[str, Any], types: list[str]) -> None:
    definition["oneOf"] = [{"required": [name]} for name in types]


def _tidy(definition: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Make a definition say what users may write, and say it where editors look."""
    definition.pop("title", None)
    for alternative in definition.get("anyOf", ()):
        _tidy(alternative, definitions)
    for key, value in definition.get("properties", {}).items():
        tidied = definition["properties"][key] = _tidied(value)
        if "$ref" in tidied and "description" not in tidied:
            tidied["description"] = definitions[tidied["$ref"].rpartition("/")[2]]["description"]


def _tidied(value: dict[str, Any]) -> dict[str, Any]:
    """A property without null, which only code uses, with its default as users would write it."""
    value.pop("title", None)
    some = [alternative for alternative in value.get("anyOf", ()) if alternative != {"type": "null"}]
    if len(some) == 1:
        value = some[0] | {key: inner for key, inner in value.items() if key != "anyOf"}
    elif some:
        value["anyOf"] = some
    default = value.pop("default", None)
    pattern = value.get("pattern")
    if pattern == _DURATION and isinstance(default, float):
        value["default"] = format_duration(default).replace(" ", "")
    elif isinstance(default, (str, int)) and str(default).strip("*"):  # neither empty nor a masked secret
        value["default"] = default
    if pattern is not None:
        value["pattern"] = f"{pattern}|{_FILLED_LATER}"
    return value
