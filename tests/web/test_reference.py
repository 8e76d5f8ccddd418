"""The reference page names every resource, attribute and relationship, and nothing else."""

import re

from tests.web.conftest import PROJECT
from web.catalogue import RESOURCES

PAGE = (PROJECT / "docs" / "reference" / "api.md").read_text("utf-8")


def test_every_attribute_is_in_the_reference_with_its_type_and_unit() -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert list(sections) == [resource.name for resource in RESOURCES]
    for resource in RESOURCES:
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", sections[resource.name], re.MULTILINE)
        wanted = [
            (item.name, item.type.value, item.unit or (f"of the row (`{item.unit_from}`)" if item.unit_from else ""))
            for item in resource.attributes
        ]
        assert rows == wanted
        for relation in resource.relations:
            assert f"`{relation.name}` ({'many' if relation.many else 'one'} of {relation.target})" in sections[resource.name]


def test_definitions_agree_with_each_other() -> None:
    known = {resource.name: resource for resource in RESOURCES}
    for resource in RESOURCES:
        names = [*resource.names, *resource.relation]
        assert len(names) == len(set(names))
        assert not {"id", "type"} & set(names)
        assert {*resource.key, *resource.required} <= set(resource.names)
        for attribute in resource.attributes:
            assert not attribute.unit_from or attribute.unit_from in resource.by_name
            assert (attribute.column is None) == (resource.table is None)
        for relation in resource.relations:
            ours, theirs = resource.by_name[relation.ours], known[relation.target].by_name[relation.theirs]
            assert ours.type is theirs.type
