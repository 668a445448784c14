"""Find an instance by its name."""

from pathlib import Path

from benchmarks.selection.instances import files
from benchmarks.selection.instances.families import generated
from benchmarks.selection.instances.instance import Instance


def find(name: str, folder: Path | None) -> Instance:
    """Give an instance: a seeded family's member, or one that the folder holds.

    LookupError where there is none, FileNotFoundError where the folder lacks its files.
    """
    made = generated(name)
    if made is None and folder is not None:
        made = files.read(name, folder)
    if made is None:
        where = "no --data was given" if folder is None else "nor does --data hold it"
        raise LookupError(f"{name!r} is no member of a seeded family, and {where}")
    return made


def names_of_files(folder: Path | None) -> list[str]:
    """Give the names of all that a folder holds; none without a folder."""
    if folder is None:
        return []
    return [*files.public_names(folder), *files.real_names(folder)]
