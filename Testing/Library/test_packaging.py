"""What a user installs is what the tree holds: Slicer's package, the Extensions Index entry, pip's wheel, the lock."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "MedCompress"
LIBRARY = MODULES / "MedCompressLib"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def files_of_tree() -> set[str]:
    """Paths relative to MedCompress/ of everything that Slicer has to find there."""
    files = (path.relative_to(MODULES) for path in MODULES.rglob("*") if path.is_file())
    kept = (path for path in files if not any(part.startswith((".", "__pycache__")) for part in path.parts))
    return {path.as_posix() for path in kept if path.name != "CMakeLists.txt"}


def lines(names: set[str], indent: str, quote: str = "", end: str = "") -> str:
    return "".join(f"\n{indent}{quote}{name}{quote}{end}" for name in sorted(names))


def test_cmake_lists_are_the_tree():
    text = re.sub("#.*", "", (MODULES / "CMakeLists.txt").read_text("utf-8"))
    text = re.sub(r"slicer_add_python_unittest\(.*?\)", "", text)
    tokens = [token for token in re.split(r"[\s()]+", text) if "." in token]
    listed, tree = set(tokens), files_of_tree()
    twice = {token for token in tokens if tokens.count(token) > 1}
    assert not tree - listed, "add to MedCompress/CMakeLists.txt:" + lines(tree - listed, "    ")
    assert not listed - tree, "remove from MedCompress/CMakeLists.txt:" + lines(listed - tree, "    ")
    assert not twice, "listed more than once in MedCompress/CMakeLists.txt:" + lines(twice, "    ")


# A stand-in for an installed Slicer: it builds nothing, but takes exactly the arguments that the real macros take,
# refuses files that do not exist and writes down what it was given.
FAKE_SLICER = r"""
message(STATUS "This is a stand-in for Slicer that only records what it is asked to package")
set(Slicer_FOUND TRUE)
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/use.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/generate.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/cpack.cmake")
"""
FAKE_USE = r"""
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(FAKE "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(FAKE_UNPARSED_ARGUMENTS OR NOT FAKE_NAME)
    message(FATAL_ERROR "slicerMacroBuildScriptedModule cannot take: ${ARGN}")
  endif()
  foreach(file ${FAKE_SCRIPTS} ${FAKE_RESOURCES})
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "${FAKE_NAME} lists a file that does not exist: ${file}")
    endif()
    file(APPEND "${CMAKE_BINARY_DIR}/recorded.txt" "${FAKE_NAME} ${file}\n")
  endforeach()
endmacro()
macro(slicer_add_python_unittest)
  cmake_parse_arguments(FAKE "" "SCRIPT;TESTNAME_PREFIX" "SLICER_ARGS" ${ARGN})
  if(FAKE_UNPARSED_ARGUMENTS OR NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${FAKE_SCRIPT}")
    message(FATAL_ERROR "slicer_add_python_unittest cannot take: ${ARGN}")
  endif()
  file(APPEND "${CMAKE_BINARY_DIR}/recorded.txt" "test ${FAKE_SCRIPT}\n")
endmacro()
"""
FAKE_GENERATE = r"""
foreach(field HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if("${EXTENSION_${field}}" STREQUAL "")
    message(FATAL_ERROR "EXTENSION_${field} is not set")
  endif()
  file(APPEND "${CMAKE_BINARY_DIR}/description.txt" "${field} ${EXTENSION_${field}}\n")
endforeach()
"""
FAKE_CPACK = r"""file(WRITE "${CMAKE_BINARY_DIR}/packed.txt" "${PROJECT_NAME}")"""
# The extension has nothing to compile, so a machine without a compiler must do.
NO_COMPILER = "".join(
    f"set(CMAKE_{language}_COMPILER /bin/true)\nset(CMAKE_{language}_COMPILER_ID_RUN 1)\n"
    f"set(CMAKE_{language}_COMPILER_FORCED 1)\nset(CMAKE_{language}_ABI_COMPILED 1)\n"
    for language in ("C", "CXX")
)


@pytest.fixture(scope="module")
def configured(tmp_path_factory) -> Path:
    """Build folder of the extension after CMake configured it against the stand-in for Slicer."""
    cmake = shutil.which("cmake")
    if not cmake or sys.platform == "win32":
        pytest.skip("cmake not found or no Unix makefiles here")
    folder = tmp_path_factory.mktemp("cmake")
    for name, text in {
        "SlicerConfig.cmake": FAKE_SLICER,
        "use.cmake": FAKE_USE,
        "generate.cmake": FAKE_GENERATE,
        "cpack.cmake": FAKE_CPACK,
        "toolchain.cmake": NO_COMPILER,
    }.items():
        (folder / name).write_text(text, "utf-8")
    command = [cmake, "-G", "Unix Makefiles", "-S", ROOT, "-B", folder / "build", f"-DSlicer_DIR={folder}"]
    command += ["-DBUILD_TESTING=ON", f"-DCMAKE_TOOLCHAIN_FILE={folder / 'toolchain.cmake'}", "-Werror=dev"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build"


def test_cmake_packages_every_file_once_and_tests_every_module(configured):
    recorded = [line.split() for line in (configured / "recorded.txt").read_text("utf-8").splitlines()]
    packaged = sorted(file for name, file in recorded if name != "test")
    assert packaged == sorted(files_of_tree())
    modules = {path.name for path in MODULES.glob("*.py")}
    assert {file for name, file in recorded if name == "test"} == modules
    assert {f"{name}.py" for name, file in recorded if file in modules and name != "test"} == modules
    assert (configured / "packed.txt").read_text("utf-8") == "MedCompress"


def test_descriptions_agree(configured):
    cmake = dict(line.split(" ", 1) for line in (configured / "description.txt").read_text("utf-8").splitlines())
    entry = json.loads((ROOT / "MedCompress.json").read_text("utf-8"))
    s4ext = dict(
        line.split(" ", 1)
        for line in (ROOT / "extension.s4ext").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    for field in ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"):
        assert s4ext[field.lower()] == cmake[field]
    assert entry["scm_url"] == s4ext["scmurl"] == cmake["HOMEPAGE"] + ".git"
    assert entry["scm_revision"] == s4ext["scmrevision"]
    assert entry["category"] == cmake["CATEGORY"]
    assert entry["tier"] == int(s4ext["tier"])
    assert entry["build_subdirectory"] == s4ext["build_subdirectory"]
    assert (" ".join(entry["build_dependencies"]) or "NA") == cmake["DEPENDS"]
    assert PYPROJECT["project"]["urls"]["Homepage"] == cmake["HOMEPAGE"]


def test_index_entry_has_the_fields_of_schema_1_0_2():
    entry = json.loads((ROOT / "MedCompress.json").read_text("utf-8"))
    types = {
        "$schema": str, "category": str, "scm_url": str, "scm_revision": str, "scm_type": str, "tier": int,
        "build_dependencies": list, "build_subdirectory": str, "dicom_support_rule": str, "enabled": bool,
    }  # fmt: skip
    assert {"$schema", "category", "scm_url"} <= entry.keys() <= types.keys()
    assert all(type(value) is types[field] for field, value in entry.items())
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["scm_type"] in ("git", "local") and 1 <= entry["tier"] <= 5


def test_pictures_that_the_catalog_shows_exist(configured):
    cmake = dict(line.split(" ", 1) for line in (configured / "description.txt").read_text("utf-8").splitlines())
    for url in [cmake["ICONURL"], *cmake["SCREENSHOTURLS"].split()]:
        _, _, path = url.partition("/SlicerMedCompress/main/")
        assert (ROOT / path).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    icon = (ROOT / "MedCompress.png").read_bytes()
    assert [int.from_bytes(icon[at : at + 4], "big") for at in (16, 20)] == [128, 128]


def library_packages() -> set[str]:
    folders = (path.parent.relative_to(LIBRARY).parts for path in LIBRARY.rglob("__init__.py"))
    return {".".join(("medcompress", *parts)) for parts in folders}


def test_pip_packages_are_the_tree():
    listed, tree = set(PYPROJECT["tool"]["setuptools"]["packages"]), library_packages()
    assert not tree - listed, "add to packages in pyproject.toml:" + lines(tree - listed, "  ", '"', ",")
    assert not listed - tree, "remove from packages in pyproject.toml:" + lines(listed - tree, "  ", '"', ",")


@pytest.fixture(scope="module")
def source_copy(tmp_path_factory) -> Path:
    """What a build needs of the tree, elsewhere: setuptools writes into the folder it builds from."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "LICENSE.txt"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(LIBRARY, folder / "MedCompress" / "MedCompressLib", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def build(source: Path, target: Path, hook: str) -> Path:
    """The wheel that one of setuptools' standard hooks (PEP 517, PEP 660) makes of a source folder."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.{hook}(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, target], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target / done.stdout.splitlines()[-1]


def test_wheel_holds_the_library_and_its_command(source_copy, tmp_path):
    with zipfile.ZipFile(build(source_copy, tmp_path, "build_wheel")) as wheel:
        names = set(wheel.namelist())
        wheel.extractall(tmp_path / "site")
    prefix = f"{LIBRARY.name}/"
    library = {f"medcompress/{name.removeprefix(prefix)}" for name in files_of_tree() if name.startswith(prefix)}
    assert {name for name in names if not name.split("/")[0].endswith(".dist-info")} == library
    version = re.search(r'__version__ = "(.+)"', (LIBRARY / "__init__.py").read_text("utf-8")).group(1)
    entry_points = tmp_path / "site" / f"medcompress-{version}.dist-info" / "entry_points.txt"
    assert "medcompress = medcompress.__main__:main" in entry_points.read_text("utf-8")
    code = "import sys; sys.path.insert(0, sys.argv[1]); from medcompress import errors; print(errors.__file__)"
    done = subprocess.run([sys.executable, "-I", "-c", code, tmp_path / "site"], capture_output=True, text=True)
    assert Path(done.stdout.strip()) == tmp_path / "site" / "medcompress" / "errors.py", done.stderr


def test_editable_install_leads_to_the_source(source_copy, tmp_path):
    with zipfile.ZipFile(build(source_copy, tmp_path, "build_editable")) as wheel:
        wheel.extractall(tmp_path / "site")
    code = (
        "import importlib.util, site, sys; site.addsitedir(sys.argv[1]);"
        "print(importlib.util.find_spec('medcompress').origin)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, tmp_path / "site"], capture_output=True, text=True)
    expected = source_copy / "MedCompress" / "MedCompressLib" / "__init__.py"
    assert Path(done.stdout.strip()) == expected, done.stderr


def test_lock_pins_all_that_is_asked_for():
    requirement = pytest.importorskip("packaging.requirements").Requirement
    canonical = pytest.importorskip("packaging.utils").canonicalize_name
    pins = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = re.fullmatch(r"([a-z0-9.-]+)==([0-9][0-9a-z.]*)", line).groups()
            pins[canonical(name)] = version
    project = PYPROJECT["project"]
    asked = [*project["dependencies"], *(r for e in ("codecs", "dev") for r in project["optional-dependencies"][e])]
    asked += PYPROJECT["build-system"]["requires"]
    for wanted in map(requirement, asked):
        assert pins.get(canonical(wanted.name), "0") in wanted.specifier, f"constraints.txt does not meet {wanted}"
