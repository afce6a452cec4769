"""Which folder may include which: the picture of the parts, held against every #include of the tree."""
import pathlib
import re

BELOW = {  # folder: the folders that it may include besides itself
    "base": [],
    "options": ["base"],
    "dist": ["base"],
    "checkpoint/format": ["base", "options"],
    "checkpoint/policy": ["base", "options", "checkpoint/format"],
    "checkpoint/store": ["base", "options", "checkpoint/format", "checkpoint/policy"],
    "checkpoint/engine": ["base", "options", "dist", "checkpoint/format", "checkpoint/policy", "checkpoint/store"],
    "launch": ["base", "options", "checkpoint/format"],
    "report": ["base", "options", "checkpoint/format", "launch"],
    "trainer/metrics": ["base", "options", "checkpoint/format"],
    "trainer": ["base", "options", "dist", "checkpoint/format", "checkpoint/policy", "checkpoint/store", "checkpoint/engine", "trainer/metrics"],
    "cuda": ["base", "options", "dist", "checkpoint/format", "trainer"],  # a plugin: nobody includes it
    "tasks": ["base", "options", "dist", "checkpoint/format", "checkpoint/policy", "checkpoint/store", "checkpoint/engine", "trainer/metrics", "trainer"],
    "callbacks": ["base", "options", "dist", "checkpoint/format", "checkpoint/policy", "checkpoint/store", "checkpoint/engine", "trainer/metrics", "trainer"],
    "data": ["base", "options", "dist", "checkpoint/format", "checkpoint/policy", "checkpoint/store", "checkpoint/engine", "trainer/metrics", "trainer"],
    "apps/command_line": ["base"],
    # The program `holdfast`, which loads neither MPI nor LibTorch ...
    "apps/commands": ["apps/command_line", "base", "options", "checkpoint/format", "checkpoint/policy", "checkpoint/store", "launch", "report"],
    # ... and the program of a rank.
    "apps/train": ["apps/command_line", "base", "options", "dist", "checkpoint/format", "checkpoint/policy", "checkpoint/store", "checkpoint/engine", "trainer/metrics", "trainer", "tasks", "data", "callbacks"],
}
PROGRAMS = {"apps/holdfast.cpp": "apps/commands", "apps/holdfast_train.cpp": "apps/train"}

OUTSIDE = {  # a library, by the beginning of its headers' names, and the folders that know it
    "MPI": (r"mpi(_\w+|-ext)?\.h$|openmpi/|mpi/|pmix", ["dist"]),
    "HDF5": (r"hdf5|H5\w*\.h$|H5Cpp|highfive/", ["checkpoint/format", "data"]),
    "simdjson": (r"simdjson", ["checkpoint/format"]),
    "CUDA and NCCL": (r"cu(da|blas|dnn|sparse|solver|rand|fft)\w*\.h$|nccl|c10/cuda/|ATen/cuda/", ["cuda"]),
    "LibTorch": (r"torch/|ATen/|c10/|caffe2/", ["trainer", "cuda", "tasks", "data", "apps/train"]),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
SOURCES = (".h", ".hpp", ".cpp", ".cc", ".inc")


def folder_of(path):
    """The part that a path relative to the root belongs to; None: none of them."""
    text = path.as_posix()
    if text in PROGRAMS:
        return PROGRAMS[text]
    return next((folder for folder in BELOW if text.startswith(folder + "/")), None)


def sources(root):
    for top in sorted({folder.split("/")[0] for folder in BELOW}):
        yield from sorted(path for path in (root / top).rglob("*") if path.suffix in SOURCES)


def offences(root):
    """One line for each #include that breaks a rule, and for each source that belongs to no part."""
    root, found = pathlib.Path(root), []
    for path in sources(root):
        name = path.relative_to(root)
        folder = folder_of(name)
        if folder is None:
            found.append(f"{name}: belongs to no part; tests/rules/includes.py names the parts and what they may include")
            continue
        text = path.read_text()
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1 + match.group(0).count("\n")
            found += [f"{name}:{line}: {why}" for why in broken_rules(root, folder, match.group(1), match.group(2))]
    return found


def broken_rules(root, folder, quoted, angled):
    included = quoted or angled
    target = folder_of(pathlib.PurePosixPath(included))
    if target is None and quoted:
        yield f'"{quoted}": a header of this project is included by its path from the root'
    elif target is not None and target != folder and target not in BELOW[folder]:
        yield f"{folder} includes {included}, but may include {', '.join(BELOW[folder]) or 'nothing'} only"
    elif target is not None and not (root / included).is_file():
        yield f"{included} is not there"
    if target is None:
        for library, (pattern, folders) in OUTSIDE.items():
            if re.match(pattern, included) and folder not in folders:
                yield f"{folder} includes {included}, but {library} is known to {', '.join(folders)} only"
