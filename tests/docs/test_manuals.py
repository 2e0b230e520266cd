# SPDX-License-Identifier: Apache-2.0
"""The manual pages, --help and the documents say the same as the code, where that can be checked.

Needs no privileges; asks the built programs for their help.
"""
import os
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("WEFT_BUILD", TOP / "build")).resolve()
PROGRAMS = {
    "weftd": [os.environ.get("WEFTD", BUILD / "weftd")],
    "weft": [os.environ.get("WEFT", BUILD / "weft")],
    # the plugin is known by its name
    "kubectl-traffic": ["bash", "-c", 'exec -a kubectl-traffic "$0" "$@"',
                        os.environ.get("WEFT", BUILD / "weft")],
    "weft-playground": ["/usr/bin/python3", TOP / "tools/playground/weft-playground"],
}
MAN = sorted((TOP / "man").glob("*.[1-8]"))
DOCUMENTS = [TOP / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
OPTION = re.compile(r"(?<![\w-])--?[a-z?][a-z-]*(?![\w])")
VARIABLE = re.compile(r"\bWEFT[A-Z_]*\b")
# For tests and builds, not for users.
INTERNAL = {"WEFT_BUILD", "WEFT_TOP", "WEFT_VERSION", "WEFT_ABI_H", "WEFT_ABI_VERSION", "WEFT"}


def read(path):
    return path.read_text(encoding="utf-8")


def help_of(program):
    done = subprocess.run([*map(str, PROGRAMS[program]), "--help"], capture_output=True, text=True,
                          check=False, timeout=30)
    assert done.returncode == 0 and not done.stderr, done
    return done.stdout


def page_of(program):
    """The source of a page with its escapes undone; fonts are taken away."""
    text = read(next(page for page in MAN if page.stem == program))
    text = re.sub(r"\\f[BIRP]", "", text).replace("\\-", "-").replace("\\&", "")
    # of macros with alternating fonts the arguments are one text
    text = re.sub(r"(?m)^\.(BR|BI|RB|RI|IR|IB) (.*)$",
                  lambda match: re.sub(r'\s*"([^"]*)"\s*|\s+', lambda part: part[1] or "", match[2]),
                  text)
    return text


def options_of(text):
    return {option for option in OPTION.findall(text)
            if option.startswith("--") or len(option) == 2}


@pytest.mark.parametrize("program", PROGRAMS)
def test_page_and_help_name_the_same_options(program):
    # argp and the page's SYNOPSIS each abbreviate help and version in their own way
    usual = {"--help", "--usage", "--version", "-?", "-V", "-h"}
    helped, paged = options_of(help_of(program)), options_of(page_of(program))
    assert helped - usual, "no options found in --help"
    assert helped - usual <= paged, "--help has, the manual page has not"
    # a page may show options of other programs in examples only
    assert {o for o in paged - helped - usual if o.startswith("--")} <= {"--source", "--net", "--raw"}, \
        "the manual page has, --help has not"


@pytest.mark.parametrize("program", ["weft", "weft-playground"])
def test_page_and_help_name_the_same_commands(program):
    text = help_of(program)
    if program == "weft":
        text = text.split("Commands:\n", 1)[1].split("\n\n", 1)[0]
    else:
        text = text.split("\n\n", 2)[2].split("\noptions:", 1)[0]
    helped = set(re.findall(r"(?m)^  ([a-z]+)\b", text))
    page = read(TOP / "man" / (program + ".8"))
    section = re.search(r"(?ms)^\.SH COMMANDS\n(.*?)^\.SH ", page)[1]
    section = re.sub(r"(?ms)^\.RS$.*?^\.RE$", "", section)
    paged = set(re.findall(r"(?m)^\.TP\n(?:\.BR? |\\fB)([a-z]+)", section))
    assert helped and helped == paged


def test_weftd_page_and_help_name_the_same_variables():
    helped = set(re.findall(r"\[(WEFT_\w+)\]", help_of("weftd")))
    assert helped and helped == set(re.findall(r"\((WEFT_\w+)\)", page_of("weftd")))


def test_every_variable_is_documented():
    used = set()
    for folder in ("tools/weft", "tools/playground", "user", "loader"):
        for path in (TOP / folder).rglob("*"):
            if path.suffix in (".c", ".py"):
                used |= set(re.findall(r"getenv\(\"(\w+)\"\)", read(path)))
                used |= set(re.findall(r"environ(?:\.get\(|\[)\"(WEFT\w*)\"", read(path)))
    documented = set(VARIABLE.findall("".join(map(read, MAN + DOCUMENTS))))
    assert "WEFT_BPFFS" in used
    missing = {name for name in used if name.startswith("WEFT")} - INTERNAL - documented
    assert not missing, missing


@pytest.mark.parametrize("page", MAN, ids=lambda page: page.name)
def test_page_is_sound(page):
    text = read(page)
    name, section = page.stem, page.suffix[1:]
    assert re.search(r'(?m)^\.TH %s %s ' % (re.escape(name.upper()), section), text)
    sections = re.findall(r"(?m)^\.SH (.*)$", text)
    assert sections[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"] and sections[-1] == "SEE ALSO"
    # weft(8) and the like lead somewhere
    for other, number in re.findall(r'(?m)^\.BR "?(weft[\w\\-]*)[^"\n(]*"? \(?"?\(?(\d)', text):
        other = other.replace("\\-", "-")
        assert (TOP / "man" / ("%s.%s" % (other, number))).exists(), "%s(%s)" % (other, number)
    try:
        done = subprocess.run(["man", "--warnings", "-l", str(page)], capture_output=True, text=True,
                              check=False, env=dict(os.environ, MANPAGER="cat", MANWIDTH="100"))
    except FileNotFoundError:
        pytest.skip("man is not installed: apt-get install man-db")
    assert done.returncode == 0 and not done.stderr, done.stderr


def make_targets():
    found = set()
    for path in [TOP / "Makefile", *(TOP / "scripts/make").glob("*.mk")]:
        for line in read(path).splitlines():
            match = re.match(r"(\.PHONY:)?([a-z][\w -]*):(?!=)", line)
            if match:
                found |= set(match[2].split())
            if line.startswith(".PHONY:"):
                found |= set(line.split(":", 1)[1].split())
    # Those of `make check`, and those that run by themselves.
    tiers = [tier for line in re.findall(r"(?m)^TIERS := (.*)$", read(TOP / "scripts/make/tests.mk"))
             for tier in line.split()]
    return found | {"check-" + tier for tier in tiers}, tiers


def quoted(document):
    """What stands in backticks or in indented blocks, word by word."""
    text = read(document)
    spans = re.findall(r"`([^`\n]+)`", text)
    spans += re.findall(r"(?m)^    (.*)$", text)
    return spans


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document):
    targets, _ = make_targets()
    # in CONTRIBUTING a table names them alone
    named = [word for span in re.findall(r"(?<!\w)make ([a-z][a-z -]*)", read(document))
             for word in span.split()[:1]]
    if document.name == "CONTRIBUTING.md":
        table = read(document).split("## Make targets", 1)[1].split("\n## ", 1)[0]
        named += re.findall(r"`([a-z-]+)`", "\n".join(
            line.split("|")[1] for line in table.splitlines() if line.startswith("| `")))
        named += [word for span in re.findall(r"`make ([^`]*)`", read(document))
                  for word in span.split()]
    missing = set(named) - targets
    assert not missing, "no such target: %s" % missing


def test_help_names_every_tier():
    _, tiers = make_targets()
    assert all((TOP / "tests" / tier).is_dir() for tier in tiers if tier != "lint")
    folders = {path.name for path in (TOP / "tests").iterdir()
               if path.is_dir() and list(path.glob("test_*"))}
    assert folders <= set(tiers), "tests that no tier runs"


def exists(path):
    """A file, or a pattern that matches one, or a family of files: policy/compile."""
    path = path.rstrip("/.")
    return bool(list(TOP.glob(path)) or list(TOP.glob(path + "*")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_exist(document):
    folders = "bpf|policy|loader|user|tools|tests|scripts|man|deploy|vmlinux|LICENSES"
    pattern = re.compile(r"(?<![\w/.])((?:%s)/[\w./*-]*)" % folders)
    found = set(pattern.findall(read(document)))
    assert found
    missing = {path for path in found if not exists(path)}
    assert not missing, "no such file: %s" % missing
    named = set(re.findall(r"\b([A-Z][A-Z_]+(?:\.md)?)\b", read(document)))
    missing = {name for name in named if name.endswith(".md") and not (TOP / name).exists()}
    assert not missing


def test_maps_of_the_architecture_are_those_of_the_source():
    source = read(TOP / "bpf/maps.bpf.h")
    maps = set(re.findall(r"(?m)^\} (weft_\w+) SEC\(\"\.maps\"\)", source))
    table = read(TOP / "ARCHITECTURE.md").split("## Maps", 1)[1].split("\n## ", 1)[0]
    named = set()
    for line in table.splitlines():
        if line.startswith("| weft_"):
            named |= set(re.findall(r"weft_\w+", line.split("|")[1]))
    assert maps and named == maps
    text = "".join(map(read, DOCUMENTS + MAN))
    for path in re.findall(r"/sys/fs/bpf/weft/(\w+)", text):
        assert path in maps | {"programs", "links"}, path


def test_programs_of_the_architecture_are_those_of_the_source():
    defined = set()
    for path in (TOP / "bpf").glob("*.bpf.c"):
        defined |= set(re.findall(r"(?s)SEC\(\"[^\"]+\"\)\s+int (weft_\w+)\(", read(path)))
    table = read(TOP / "ARCHITECTURE.md").split("## Hooks", 1)[1].split("\n## ", 1)[0]
    named = set()
    for line in table.splitlines():
        if line.startswith("| ") and line.count("|") > 3:
            for name, other in re.findall(r"(weft_\w+)(?:/(\d))?", line.split("|")[2]):
                named |= {name} | ({name[:-1] + other} if other else set())
    assert named <= defined, named - defined


def test_commands_of_the_documents_exist():
    commands = set(re.findall(r"(?m)^  ([a-z]+)\b", help_of("weft").split("Commands:\n", 1)[1]))
    for document in DOCUMENTS:
        for span in quoted(document):
            for word in re.findall(r"(?:^|/|-- )weft ([a-z]+)", span):
                assert word in commands, "%s: weft %s" % (document.name, word)
