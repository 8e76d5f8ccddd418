"""Query parameters of the strict dialect: whatever is not known is an error that names the parameter."""

from __future__ import annotations

from dataclasses import replace

from web.asked import Asked
from web.errors import bad_parameter
from web.parameters import Parameter, only_once, read_filter, read_group, read_page, read_sort_key
from web.query import Group
from web.reader import Reader
from web.resource import Relation, Resource
from web.values import shown

_DEEPEST = 4
"""Relationships in one path of ``include``."""

Tree = dict[str, "Tree"]
"""Relationships to include, by name, each with those to include from there."""


class JsonApiRequest:
    """Reads the parameters of one request whose primary data are of one resource."""

    def __init__(self, reader: Reader, resource: Resource) -> None:
        self._reader = reader
        self._resource = resource
        self.fields: dict[str, tuple[str, ...]] = {}
        """Sparse fieldsets by type: attributes and relationships."""
        self.include: Tree | None = None
        """``None`` if nothing was said about it."""

    def read(self, parameters: list[Parameter], *, collection: bool = True) -> Asked:
        """What they ask for.

        Args:
            parameters: of the URL.
            collection: whether there are many rows to sort, filter and page.

        Raises:
            ApiError: 400, with the parameter that is wrong.
        """
        only_once(parameters, ("fields", "sort", "include", "page", "groupBy"))
        asked = Asked()
        for parameter in parameters:
            asked = self._add(asked, parameter, collection=collection)
        if self._resource.name not in self.fields:
            return asked
        return replace(asked, fields=tuple(n for n in self.fields[self._resource.name] if n in self._resource.by_name))

    def _add(self, asked: Asked, parameter: Parameter, *, collection: bool) -> Asked:
        match parameter.family, parameter.keys:
            case "fields", (type_,):
                self.fields[type_] = self._fieldset(parameter, type_)
                return asked
            case "include", ():
                self.include = self._paths(parameter)
                return asked
            case "filter", _ if collection:
                return replace(asked, filters=(*asked.filters, read_filter(self._resource, parameter)))
            case "sort", () if collection:
                keys = [read_sort_key(self._resource, word, parameter.name) for word in _all_words(parameter)]
                return replace(asked, sort=tuple(keys))
            case "page", _ if collection:
                which, number = read_page(parameter)
                return replace(asked, **{which: number})
            case "groupBy", _ if collection and self._resource.groups:
                return replace(asked, group=read_group(parameter, asked.group or Group()))
            case _:
                raise bad_parameter(parameter.name, f"{shown(parameter.name)} is no parameter of this resource")

    def _fieldset(self, parameter: Parameter, type_: str) -> tuple[str, ...]:
        resource = self._reader.known(type_)
        if resource is None:
            raise bad_parameter(parameter.name, f"there is no type {shown(type_)}")
        names = _all_words(parameter)
        for name in names:
            if name not in resource.by_name and name not in resource.relation:
                raise bad_parameter(parameter.name, f"{resource.name} has no field {shown(name)}")
        return tuple(dict.fromkeys(names))

    def _paths(self, parameter: Parameter) -> Tree:
        tree: Tree = {}
        for path in _all_words(parameter):
            branch, resource = tree, self._resource
            names = path.split(".")
            if len(names) > _DEEPEST:
                raise bad_parameter(parameter.name, f"{shown(path)} is longer than {_DEEPEST} relationships")
            for name in names:
                relation = self._relation(resource, name, parameter)
                branch, resource = branch.setdefault(name, {}), self._reader.resource(relation.target)
        return tree

    def _relation(self, resource: Resource, name: str, parameter: Parameter) -> Relation:
        relation = resource.relation.get(name)
        if relation is None:
            raise bad_parameter(parameter.name, f"{resource.name} has no relationship {shown(name)}")
        target = self._reader.resource(relation.target)
        if target.groups:
            raise bad_parameter(parameter.name, f"{name} cannot be included; ask for {target.name} by itself")
        return relation


def _all_words(parameter: Parameter) -> list[str]:
    """Parts of a list; an empty list is one, an empty part is an error."""
    parts = parameter.value.split(",") if parameter.value else []
    if not all(parts):
        raise bad_parameter(parameter.name, f"{shown(parameter.value)} has an empty part")
    return parts
