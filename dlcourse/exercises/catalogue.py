"""All exercises, in the order of the labs."""

import importlib.util
import pkgutil
from functools import cache

from dlcourse.exercises.exercise import Exercise

LABS = (1, 2)


def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise, in the order of the labs."""
    return tuple(exercise for lab in LABS for exercise in exercises_of(lab))


def files() -> dict[str, list[Exercise]]:
    """The exercises of each of the student's files, "lab1.py" and "lab2.py"."""
    modules = {f"lab{lab}.py": list(exercises_of(lab)) for lab in LABS}
    return {name: exercises for name, exercises in modules.items() if exercises}


@cache
def exercises_of(lab: int) -> tuple[Exercise, ...]:
    """One lab's, the other is not imported; in the order of its `MODULES`, else by module names."""
    name = f"dlcourse.exercises.lab{lab}"
    if importlib.util.find_spec(name) is None:
        return ()
    package = importlib.import_module(name)
    found = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"{name}.{m}") for m in getattr(package, "MODULES", found)]
    return tuple(exercise for module in modules for exercise in getattr(module, "EXERCISES", ()))
