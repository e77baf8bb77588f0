"""A fuzz target: an ordinary test that replays its corpus, and mutations of it drawn from a fixed seed."""

def fuzz_target(name, deps, srcs = None):
    """A test NAME_fuzz over corpus/NAME, from NAME_fuzz.c.

    Args:
      name: of the target; the folder corpus/<name> holds its corpus.
      deps: what it exercises.
      srcs: other than <name>_fuzz.c.
    """
    native.cc_test(
        name = name + "_fuzz",
        size = "small",
        srcs = (srcs or [name + "_fuzz.c"]) + ["replay_main.c"],
        args = ["tests/fuzz/corpus/" + name],
        data = native.glob(["corpus/" + name + "/**"]),
        # gold cannot collect the sections of libstdc++.a in a program that never throws.
        linkopts = ["-Wl,--no-gc-sections"],
        tags = ["fuzz"],
        deps = deps,
    )
