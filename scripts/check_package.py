"""Does the package start, with nothing but itself and a bare Python 3.13?

`python3.13 -I -S scripts/check_package.py FOLDER PYPROJECT`, for scripts/check_package.sh.  It imports the app and
indexes it, wires both homes, opens every SDK, and looks for what must not have come along.  Its size, that of
FOLDER.zip where it is there, and what its import costs are held against a budget.
"""

import asyncio
import importlib
import re
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

# One for each SDK and driver that the app imports only when it needs it.
SDKS = ("aiohttp", "aiosmtplib", "azure.cosmos.aio", "azure.identity.aio", "azure.servicebus.aio", "zoneinfo")
PACKAGES = ".python_packages/lib/site-packages"
OURS = {"adapters", "domain", "endpoints", "function_app.py", "host.json"}
BESIDE = {"__pycache__", ".funcignore", ".python_packages", "requirements.txt"}

MOST_MEGABYTES = 150.0
MOST_ZIPPED_MEGABYTES = 55.0
"""Every instance fetches and unpacks it before it starts."""
MOST_IMPORT_SECONDS = 3.0
"""Of the processor, on a machine that CI shares; Flex Consumption gives a start 30 s in all, on one core."""

EMULATORS = {
    "TOCSIN_HOME": "azure",
    "COSMOS": "AccountEndpoint=http://localhost:8081/;AccountKey=a2V5;",
    "SERVICE_BUS": "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;",
}


def main(app: Path, pyproject: Path) -> None:
    """Print how many functions the app has, or end with what is wrong."""
    sys.path[:0] = [str(app), str(app / PACKAGES)]
    if problems := find_problems(app, pyproject):
        sys.exit("\n".join(problems))
    began = time.process_time()
    import function_app

    count = len(function_app.app.get_functions())
    spent = {"importing and indexing, s": (time.process_time() - began, MOST_IMPORT_SECONDS)}
    asyncio.run(_wire())
    for name in SDKS:
        importlib.import_module(name)
    foreign = sorted(_imported_from_elsewhere(app))
    if foreign:
        sys.exit(f"imported from outside the package: {', '.join(foreign)}")
    print(f"the package starts, with {count} functions")
    print_budget(spent | _sizes(app))


def print_budget(spent: dict[str, tuple[float, float]]) -> None:
    """Print what was spent of what may be; ends with what is more than that."""
    for name, (amount, most) in spent.items():
        print(f"{name}: {amount:.2f} of {most:g}")
    if over := [name for name, (amount, most) in spent.items() if amount > most]:
        sys.exit(f"over the budget: {'; '.join(over)}")


def _sizes(app: Path) -> dict[str, tuple[float, float]]:
    unpacked = sum(path.stat().st_size for path in app.rglob("*") if path.is_file())
    sizes = {"unpacked, MB": (unpacked / 1e6, MOST_MEGABYTES)}
    archive = app.with_name(f"{app.name}.zip")
    if archive.exists():
        sizes["zipped, MB"] = (archive.stat().st_size / 1e6, MOST_ZIPPED_MEGABYTES)
    return sizes


def find_problems(app: Path, pyproject: Path) -> list[str]:
    """What has come along and should not, and what should have; a sentence for each."""
    return [*_strangers(app), *_of_the_groups(app / PACKAGES, pyproject)]


def _strangers(app: Path) -> Iterator[str]:
    found = {path.name for path in app.iterdir()}
    for name in sorted(found - OURS - BESIDE):
        yield f"{name} does not belong into the package"
    for name in sorted((OURS | BESIDE) - found - {"__pycache__"}):
        yield f"{name} is missing"


def _of_the_groups(packages: Path, pyproject: Path) -> Iterator[str]:
    """What a dependency group asks for and the app does not."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    wanted = {_name(requirement) for requirement in project["project"]["dependencies"]}
    installed = {_name(found.metadata["Name"]) for found in distributions(path=[str(packages)])}
    for group, requirements in project["dependency-groups"].items():
        for name in sorted({_name(requirement) for requirement in requirements} & installed - wanted):
            yield f"{name} of the group {group} has leaked into the package"
    for name in sorted(wanted - installed):
        yield f"{name} is not in the package"
    for path in sorted(packages.glob("*.pth")):
        yield f"{path.name} would put another folder on the path"


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


async def _wire() -> None:
    from adapters.settings import Settings
    from adapters.wiring import wire

    for environment in ({"TOCSIN_HOME": "memory"}, EMULATORS):
        ports = wire(Settings.read(environment))
        await ports.close()


def _imported_from_elsewhere(app: Path) -> Iterator[str]:
    known = (str(app.resolve()), sys.base_prefix)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and not str(Path(file).resolve()).startswith(known) and name != "__main__":
            yield name


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
