"""The catalogue: every exercise is whole, and the skeleton says what has to be known."""

import ast

import pytest

from dlcourse.exercises.catalogue import all_exercises, files
from dlcourse.exercises.exercise import Exercise

EXERCISES = pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.name)


def test_names_are_unique_and_labs_in_order() -> None:
    names = [exercise.name for exercise in all_exercises()]
    assert len(names) == len(set(names))
    labs = [exercise.lab for exercise in all_exercises()]
    assert labs == sorted(labs)
    assert [e for exercises in files().values() for e in exercises] == list(all_exercises())


@EXERCISES
def test_a_skeleton_is_annotated_described_and_empty(exercise: Exercise) -> None:
    (node,) = ast.parse(exercise.skeleton).body
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    assert node.name == exercise.name
    assert "Source:" in ast.get_docstring(node)
    functions = [n for n in ast.walk(node) if isinstance(n, ast.FunctionDef)]
    for function in functions:
        assert function.returns is not None
        arguments = [*function.args.args, *function.args.kwonlyargs]
        assert all(a.annotation for a in arguments if a.arg != "self")
    assert "raise NotImplementedError" in ast.unparse(functions[-1].body[-1])
    assert max(map(len, exercise.skeleton.splitlines())) <= 100


@EXERCISES
def test_a_solution_is_the_packages_and_takes_what_the_skeleton_takes(exercise: Exercise) -> None:
    assert "dlcourse" in exercise.solution

    def arguments(source: str) -> list[tuple[str, list[str]]]:
        nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]
        asked = {n.name for n in ast.walk(ast.parse(exercise.skeleton)) if hasattr(n, "name")}
        return [
            (n.name, [a.arg for a in (*n.args.args, *n.args.kwonlyargs)])
            for n in nodes
            if n.name in asked
        ]

    assert arguments(exercise.solution) == arguments(exercise.skeleton)


@EXERCISES
def test_every_exercise_knows_its_classic_mistakes(exercise: Exercise) -> None:
    sources = [mistake.source for mistake in exercise.mistakes]
    assert len(sources) >= 2
    assert len(set(sources)) == len(sources)
    assert exercise.solution not in sources
