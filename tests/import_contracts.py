"""Two kinds of import contract that import-linter does not bring, used in `pyproject.toml`.

Both tolerate modules that do not exist: the rule is written down before the module is.
"""

from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.domain.imports import ModuleExpression


class PureContract(ForbiddenContract):
    """`forbidden`, for those of its modules that exist. An import by way of another module of ours counts too."""

    type_name = "pure"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001 – import-linter's signature
        for name in ("source_modules", "forbidden_modules"):
            wanted: set[ModuleExpression] = getattr(self, name)
            setattr(self, name, {one for one in wanted if _may_be_meant(one, graph)})
        return super().check(graph, verbose)


class OwnStoreContract(Contract):
    """A feature's `store` is imported from its own package only, and there not by `api` or `pages`.

    Options: `package`, whose direct children are the features; `composers`, modules that may wire anything together.
    """

    type_name = "own_store"

    package = fields.StringField()
    composers = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 – import-linter's signature
        package, composers = cast("str", self.package), cast("list[str]", self.composers)
        broken = [
            (importer, store)
            for store in sorted(graph.modules)
            if _is_store(store, package)
            for importer in sorted(graph.find_modules_that_directly_import(store))
            if importer.startswith(f"{package}.") and importer not in composers and not _may_import(importer, store)
        ]
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        metadata = check.metadata
        for importer, store in metadata["broken"]:
            output.print_error(f"{importer} imports {store}: ask {store.rpartition('.')[0]}.service instead")


def _may_be_meant(expression: ModuleExpression, graph: ImportGraph) -> bool:
    """Say whether a module exists, or is none of ours (then import-linter sorts it out)."""
    text = expression.expression
    ours = text.partition(".")[0] in {"protocol", "edge", "central", "deploy", "tests"}
    return expression.has_wildcard_expression() or text in graph.modules or not ours


def _is_store(module: str, package: str) -> bool:
    parts = module.split(".")
    return parts[0] == package and len(parts) > 2 and parts[2].startswith("store")  # package.feature.store


def _may_import(importer: str, store: str) -> bool:
    feature = ".".join(store.split(".")[:2])
    inside = importer == feature or importer.startswith(f"{feature}.")
    return inside and importer.rpartition(".")[2] not in {"api", "pages"}
